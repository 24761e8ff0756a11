// What the relay says of a send that it took: first ticks, second ticks, notices, status answers.

import { addressKey, NoticeKind, StatusState, type Notice } from '@twotick/protocol'
import type { StatusAnswer } from '@twotick/protocol'
import { findAttempt, isAwaited, keepAttempt, keepMessage, keepWish, withReach } from './book.ts'
import type { Book, Entering } from './book.ts'
import { numberKey, type Attempt, type OutgoingMessage } from './storage.ts'

export interface FirstTick {
  readonly epoch: string
  readonly acceptedAtMs: number
}

/** First tick of an attempt, in this epoch. */
export function enterStored(entering: Entering, attempt: Attempt, tick: FirstTick): void {
  const { epoch: storedInEpoch, acceptedAtMs: storedAtMs } = tick
  keepAttempt(entering, { ...attempt, storedInEpoch, storedAtMs })
  entering.turn.put('payload', numberKey(attempt.no), undefined)
  const message = entering.book.messages.get(attempt.messageNo)
  if (message) keepMessage(entering, withStored(entering, message, storedAtMs))
}

function withStored({ happenings }: Entering, message: OutgoingMessage, acceptedAtMs: number) {
  if (message.storedAtMs !== undefined) return message
  happenings.push({ type: 'stored', no: message.no, acceptedAtMs })
  return { ...message, storedAtMs: acceptedAtMs }
}

/** Second tick from one account, by any attempt. It may come before the first, and implies it. */
export function enterDelivered(entering: Entering, attemptNo: number, accountId: string): void {
  const found = findAttempt(entering.book, attemptNo)
  const reach = found?.message.reach[accountId]
  if (!found || !reach || reach.at === 'delivered') return
  const stored = withStored(entering, found.message, entering.book.now())
  entering.happenings.push({ type: 'delivered', no: stored.no, accountId })
  keepMessage(entering, withReach(stored, accountId, { at: 'delivered' }))
}

/**
 * A notice about one of this device's own sends. What a device could not process is sent to that
 * device again, once. A closing notice for an attempt that was superseded by another says nothing.
 */
export function enterNotice(entering: Entering, notice: Notice): void {
  const found = findAttempt(entering.book, notice.no)
  if (!found) return
  let { message } = found
  for (const { accountId, deviceIds } of notice.recipients) {
    const closes = notice.closing && isAwaited(message, accountId, notice.no)
    const ids = deviceIds.length > 0 ? deviceIds : [0]
    const names = ids.map((deviceId) => addressKey({ accountId, deviceId }))
    const isFirst = !names.every((name) => message.resentTo.includes(name))
    if (notice.kind === NoticeKind.UNPROCESSABLE && isFirst) {
      if (closes) message = withReach(message, accountId, { at: 'waiting', attemptNo: 0 })
      message = { ...message, resentTo: [...new Set([...message.resentTo, ...names])] }
      keepWish(entering, { messageNo: message.no, accountId, deviceIds, notBeforeMs: 0 })
    } else if (closes) {
      const undelivered = { accountId, kind: notice.kind }
      entering.happenings.push({ type: 'undelivered', no: message.no, undelivered })
      message = withReach(message, accountId, { at: 'closed', kind: notice.kind })
    }
  }
  if (message !== found.message) keepMessage(entering, message)
}

/** One answer to a StatusQuery, and the epoch of the session that it came in. */
export type EpochAnswer = StatusAnswer & { readonly epoch: string }

/**
 * A status answer, after everything of the own mailbox that came before it. Gone means delivered;
 * but what was stored under an older epoch may be gone with that, so it is sent again.
 */
export function enterStatus(entering: Entering, accountId: string, answer: EpochAnswer): void {
  const found = findAttempt(entering.book, answer.no)
  if (!found || !isAwaited(found.message, accountId, answer.no)) return
  if (answer.state === StatusState.WAITING) return
  const isThisEpochs = found.attempt.storedInEpoch === answer.epoch
  if (isThisEpochs && answer.state === StatusState.DELIVERED) {
    enterDelivered(entering, answer.no, accountId)
    return
  }
  const { no: messageNo } = found.message
  keepMessage(entering, withReach(found.message, accountId, { at: 'waiting', attemptNo: 0 }))
  keepWish(entering, { messageNo, accountId, deviceIds: [], notBeforeMs: 0 })
}

export interface Pair {
  readonly attempt: Attempt
  readonly accountId: string
}

/** Every send that has its first tick and waits for a second. */
export function* waitingPairs(book: Book): Generator<Pair> {
  for (const message of book.messages.values()) {
    if (message.doneAtMs !== undefined) continue
    for (const [accountId, reach] of Object.entries(message.reach)) {
      if (reach.at !== 'waiting') continue
      const attempt = book.attempts.get(reach.attemptNo)
      if (attempt?.storedInEpoch !== undefined) yield { attempt, accountId }
    }
  }
}
