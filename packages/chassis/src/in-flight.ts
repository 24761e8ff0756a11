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

interface Asked<Item, Verdict> {
  readonly question: Question<Item>
  readonly resolve: (verdict: Verdict) => void
  readonly reject: (failure: Failure) => void
}

/**
 * A question's place; empty once it is settled. A Map that many come to and leave gets new tables all
 * the time, and each old one keeps what was in it, places, until a whole collection of the heap.
 */
interface Place<Item, Verdict> {
  readonly expiresAt: number
  asked: Asked<Item, Verdict> | undefined
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

  function take(id: number): Asked<Item, Verdict> | undefined {
    const place = waiting.get(id)
    const asked = place?.asked
    if (place === undefined || asked === undefined) return undefined
    waiting.delete(id)
    place.asked = undefined
    bytesInFlight -= asked.question.bytes
    return asked
  }

  function reject(id: number, { code, message }: Failure) {
    const asked = take(id)
    asked?.reject(new Failure(code, message, { hadNoEffect: !asked.question.isSent }))
  }

  function watch() {
    const [oldest] = waiting.values()
    if (timer !== undefined || oldest === undefined) return
    timer = setTimeout(expire, Math.max(1, oldest.expiresAt - Date.now()))
  }

  function expire() {
    timer = undefined
    const now = Date.now()
    for (const [id, { expiresAt }] of waiting) {
      if (expiresAt > now) break
      reject(id, new Failure('DEADLINE_EXCEEDED', 'no verdict in time'))
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
        waiting.set(question.id, { expiresAt, asked: { question, resolve, reject } })
      })
      watch()
      return { question, answer }
    },
    has: (id) => waiting.has(id),
    answer: (id, verdict) => take(id)?.resolve(verdict),
    rejectAll(failure) {
      for (const id of [...waiting.keys()]) reject(id, failure)
    },
    close: () => clearTimeout(timer),
  }
}
