// Questions that have no verdict yet, oldest first: bounded in number and bytes, each with a
// deadline. One timer serves all of them.

import { Failure } from './failure.ts'

/** A question with the number that its verdict will carry. */
export interface Numbered<Item> {
  readonly id: number
  readonly item: Item
}

/** Who has asked hears once. */
interface Asked<Item, Verdict> {
  readonly item: Item
  readonly resolve: (verdict: Verdict) => void
  readonly reject: (failure: Failure) => void
}

export interface Question<Item, Verdict> extends Numbered<Item>, Asked<Item, Verdict> {
  readonly bytes: number
  /** By performance.now(): the clock of the wall may go back. */
  readonly expiresAt: number
  isSent: boolean
}

export interface InFlightBounds {
  readonly deadlineMs: number
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
}

export interface InFlight<Item, Verdict> {
  /** Takes a question up, to be settled later; undefined at a bound. */
  add(asked: Asked<Item, Verdict>, bytes: number): Question<Item, Verdict> | undefined
  has(id: number): boolean
  /** Settles a question; one that is not here (its deadline has passed) is left alone. */
  answer(id: number, verdict: Verdict): void
  /** Rejects every question, oldest first. */
  rejectAll(failure: Failure): void
  close(): void
}

/**
 * A question's place; empty once it is settled. A Map that many come to and leave gets new tables all
 * the time, and each old one keeps what was in it, places, until a whole collection of the heap.
 */
interface Place<Item, Verdict> {
  question: Question<Item, Verdict> | undefined
}

/** `onExpired` is called after some questions were rejected for want of a verdict in time. */
export function createInFlight<Item, Verdict>(
  { deadlineMs, inFlightMax, inFlightBytesMax }: InFlightBounds,
  onExpired: () => void,
): InFlight<Item, Verdict> {
  const waiting = new Map<number, Place<Item, Verdict>>()
  let bytesInFlight = 0
  let lastId = 0
  // Armed for the question that was the oldest then; undefined while there was none.
  let timer: NodeJS.Timeout | undefined

  function take(id: number): Question<Item, Verdict> | undefined {
    const place = waiting.get(id)
    const question = place?.question
    if (place === undefined || question === undefined) return undefined
    waiting.delete(id)
    place.question = undefined
    bytesInFlight -= question.bytes
    return question
  }

  function reject(id: number, { code, message }: Failure) {
    const question = take(id)
    question?.reject(new Failure(code, message, { hadNoEffect: !question.isSent }))
  }

  function watch() {
    if (timer !== undefined) return
    const [oldest] = waiting.values()
    if (oldest?.question === undefined) return
    timer = setTimeout(expire, Math.max(1, oldest.question.expiresAt - performance.now()))
  }

  function expire() {
    timer = undefined
    const now = performance.now()
    for (const [id, { question }] of waiting) {
      if (question !== undefined && question.expiresAt > now) break
      reject(id, new Failure('DEADLINE_EXCEEDED', 'no verdict in time'))
    }
    onExpired()
    watch()
  }

  return {
    add({ item, resolve, reject }, bytes) {
      if (waiting.size >= inFlightMax || bytesInFlight + bytes > inFlightBytesMax) return undefined
      const id = ++lastId
      const expiresAt = performance.now() + deadlineMs
      const question = { id, item, resolve, reject, bytes, expiresAt, isSent: false }
      bytesInFlight += bytes
      waiting.set(id, { question })
      watch()
      return question
    },
    has: (id) => waiting.has(id),
    answer: (id, verdict) => take(id)?.resolve(verdict),
    rejectAll(failure) {
      for (const id of [...waiting.keys()]) reject(id, failure)
    },
    close: () => clearTimeout(timer),
  }
}
