// Questions that have no verdict yet, oldest first: bounded in number and bytes, each with a
// deadline. One timer serves all of them.

import { Failure } from './failure.ts'

/** A question with the number that its verdict will carry. */
export interface Numbered<Item> {
  readonly id: number
  readonly item: Item
}

export interface Question<Item> extends Numbered<Item> {
  readonly bytes: number
  isSent: boolean
}

export interface InFlightBounds {
  readonly deadlineMs: number
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
}

export interface InFlight<Item, Verdict> {
  /** Takes a question up, to be settled later; undefined at a bound. */
  add(item: Item, bytes: number): { question: Question<Item>; answer: Promise<Verdict> } | undefined
  has(id: number): boolean
  /** Settles a question; one that is not here (its deadline has passed) is left alone. */
  answer(id: number, verdict: Verdict): void
  /** Rejects every question, oldest first. */
  rejectAll(failure: Failure): void
  close(): void
}

interface Waiting<Item, Verdict> {
  readonly question: Question<Item>
  readonly expiresAt: number
  readonly resolve: (verdict: Verdict) => void
  readonly reject: (failure: Failure) => void
}

/** `onExpired` is called after some questions were rejected for want of a verdict in time. */
export function createInFlight<Item, Verdict>(
  { deadlineMs, inFlightMax, inFlightBytesMax }: InFlightBounds,
  onExpired: () => void,
): InFlight<Item, Verdict> {
  const waiting = new Map<number, Waiting<Item, Verdict>>()
  let bytesInFlight = 0
  let lastId = 0
  // Armed for the question that was the oldest then; undefined while there was none.
  let timer: NodeJS.Timeout | undefined

  function take(id: number): Waiting<Item, Verdict> | undefined {
    const found = waiting.get(id)
    if (found === undefined) return undefined
    waiting.delete(id)
    bytesInFlight -= found.question.bytes
    return found
  }

  function reject({ question, reject: tell }: Waiting<Item, Verdict>, failure: Failure) {
    take(question.id)
    tell(new Failure(failure.code, failure.message, { hadNoEffect: !question.isSent }))
  }

  function watch() {
    const [oldest] = waiting.values()
    if (timer !== undefined || oldest === undefined) return
    timer = setTimeout(expire, Math.max(1, oldest.expiresAt - Date.now()))
  }

  function expire() {
    timer = undefined
    const now = Date.now()
    for (const one of waiting.values()) {
      if (one.expiresAt > now) break
      reject(one, new Failure('DEADLINE_EXCEEDED', 'no verdict in time'))
    }
    onExpired()
    watch()
  }

  return {
    add(item, bytes) {
      if (waiting.size >= inFlightMax || bytesInFlight + bytes > inFlightBytesMax) return undefined
      const question = { id: ++lastId, item, bytes, isSent: false }
      bytesInFlight += bytes
      const answer = new Promise<Verdict>((resolve, reject) => {
        const expiresAt = Date.now() + deadlineMs
        waiting.set(question.id, { question, expiresAt, resolve, reject })
      })
      watch()
      return { question, answer }
    },
    has: (id) => waiting.has(id),
    answer: (id, verdict) => take(id)?.resolve(verdict),
    rejectAll(failure) {
      for (const one of [...waiting.values()]) reject(one, failure)
    },
    close: () => clearTimeout(timer),
  }
}
