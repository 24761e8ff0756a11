// The book of what this device has sent: every message under the number of its first attempt, and
// for each recipient account how far it has come. This file is the book itself; ticks.ts enters what
// the relay says of a send, again.ts what becomes of a send that has to be made once more.
//
// Each entry goes into memory and, through the turn, into the storage. What the application should
// hear of comes back as happenings.

import type { Undelivered } from './promises.ts'
import { numberKey, type Attempt, type OutgoingMessage, type Reach } from './storage.ts'
import type { Rejection, Wish } from './storage.ts'
import type { Turn } from './turn.ts'

export type Happening =
  | { readonly type: 'stored'; readonly no: number; readonly acceptedAtMs: number }
  | { readonly type: 'delivered'; readonly no: number; readonly accountId: string }
  | { readonly type: 'undelivered'; readonly no: number; readonly undelivered: Undelivered }
  | { readonly type: 'rejected'; readonly no: number; readonly rejection: Rejection }
  | { readonly type: 'done'; readonly no: number }

export interface Book {
  readonly messages: Map<number, OutgoingMessage>
  readonly attempts: Map<number, Attempt>
  readonly wishes: Map<string, Wish>
  readonly now: () => number
}

/** One entry in the book: what it is written with, and what it makes known. */
export interface Entering {
  readonly book: Book
  readonly turn: Pick<Turn, 'put'>
  readonly happenings: Happening[]
}

interface Contents {
  readonly messages: readonly OutgoingMessage[]
  readonly attempts: readonly Attempt[]
  readonly wishes: readonly Wish[]
}

export function openBook(contents: Contents, now: () => number): Book {
  return {
    messages: new Map(contents.messages.map((message) => [message.no, message])),
    attempts: new Map(contents.attempts.map((attempt) => [attempt.no, attempt])),
    wishes: new Map(contents.wishes.map((wish) => [wish.key, wish])),
    now,
  }
}

/** Writes a message; it is done once it was rejected, or waits for nobody. */
export function keepMessage({ book, turn, happenings }: Entering, message: OutgoingMessage): void {
  const isReached = Object.values(message.reach).every(({ at }) => at !== 'waiting')
  const isDone = message.rejection !== undefined || (message.storedAtMs !== undefined && isReached)
  const becomesDone = isDone && message.doneAtMs === undefined
  const kept = becomesDone ? { ...message, doneAtMs: book.now() } : message
  if (becomesDone) happenings.push({ type: 'done', no: message.no })
  book.messages.set(kept.no, kept)
  turn.put('message', numberKey(kept.no), kept)
}

export function keepAttempt({ book, turn }: Entering, attempt: Attempt): void {
  book.attempts.set(attempt.no, attempt)
  turn.put('attempt', numberKey(attempt.no), attempt)
}

export function dropAttempt({ book, turn }: Entering, no: number): void {
  book.attempts.delete(no)
  turn.put('attempt', numberKey(no), undefined)
  turn.put('payload', numberKey(no), undefined)
}

/** Writes that a message is to be sent again. */
export function keepWish({ book, turn }: Entering, wanted: Omit<Wish, 'key'>): void {
  const { messageNo, accountId, deviceIds } = wanted
  const key = `${numberKey(messageNo)} ${accountId} ${deviceIds.join(',')}`
  book.wishes.set(key, { key, ...wanted })
  turn.put('wish', key, { key, ...wanted })
}

export function dropWish({ book, turn }: Entering, { key }: Wish): void {
  book.wishes.delete(key)
  turn.put('wish', key, undefined)
}

/** The attempt of this number, with the message that it carries. */
export function findAttempt(book: Book, attemptNo: number) {
  const attempt = book.attempts.get(attemptNo)
  const message = attempt && book.messages.get(attempt.messageNo)
  return message && attempt ? { attempt, message } : undefined
}

/** Whether the account's second tick is expected from just this attempt (0: from a wish). */
export function isAwaited(message: OutgoingMessage, accountId: string, attemptNo: number): boolean {
  const reach = message.reach[accountId]
  return reach?.at === 'waiting' && reach.attemptNo === attemptNo
}

export function withReach(
  message: OutgoingMessage,
  accountId: string,
  reach: Reach,
): OutgoingMessage {
  return { ...message, reach: { ...message.reach, [accountId]: reach } }
}

/** A new message, with its first attempt. */
export function addMessage(entering: Entering, message: OutgoingMessage, attempt: Attempt): void {
  keepAttempt(entering, attempt)
  keepMessage(entering, message)
}

/** Forgets what was done before a moment, and of the rest all but the newest `keepMax`. */
export function prune(entering: Entering, before: { doneMs: number; keepMax: number }): void {
  const { book, turn } = entering
  const done = [...book.messages.values()].filter(({ doneAtMs }) => doneAtMs !== undefined)
  const surplus = done.length - before.keepMax
  done.forEach((message, index) => {
    if (index >= surplus && (message.doneAtMs ?? 0) >= before.doneMs) return
    const own = message.attempts.map((no) => book.attempts.get(no))
    if (own.some((attempt) => attempt && attempt.storedInEpoch === undefined)) return
    for (const no of message.attempts) dropAttempt(entering, no)
    book.messages.delete(message.no)
    turn.put('message', numberKey(message.no), undefined)
    turn.put('body', numberKey(message.no), undefined)
  })
}
