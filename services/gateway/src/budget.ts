// What all sessions together may have at the services behind the gateway, and hold. A send that finds
// no place waits in its session, whose socket is not read meanwhile; places that get free are given to
// the sessions that wait in turn, one send each. A place is given together with a send that is in
// hand: so however many wait, no more are passed on than there are places.
//
// The bound follows what the services behind it can do: it falls while answers take long, and rises
// while they are quick. So a relay that is given more than it can do answers later, and goes on doing
// what it can. (With a fixed bound it took in more than it could answer in time, had to end sessions,
// and got all of their sends once more: of devices that wanted 700 messages a second from a busy
// machine, a quarter were connected, and 105 messages a second got through.)
//
// Nobody is told here that it waits in vain: each session has its own clock for that (patience.ts).

export interface Budget {
  /** Holds a send until it leaves. False: there is no memory for it. */
  enter(bytes: number): boolean
  /** Takes a place for one that was entered. False: there is none, as while anybody waits for one. */
  pass(): boolean
  /** Calls `pass` once there is a place, which is taken then. One that waits already waits on. */
  whenPlace(waiter: Waiter): void
  forget(waiter: Waiter): void
  leave(bytes: number, passage: Passage | undefined): void
  /** There is no place. */
  isSpent(): boolean
}

export interface Waiter {
  pass(): void
}

/** How it went with one that had a place. */
export interface Passage {
  /** Since it had it. */
  readonly tookMs: number
  /** With a tick or a rejection, not by a session's end. */
  readonly isAnswered: boolean
}

export interface BudgetOptions {
  /** Places. */
  readonly countMax: number
  /** Of all that is held, with a place or without. */
  readonly bytesMax: number
  /** Within which each has its answer, or its session ends. */
  readonly answerMs: number
}

const COUNT_MIN = 64
/** Of the time for an answer: what takes longer is slow. */
const SLOW = 1 / 4
const LOWERED_TO = 0.7
/** By each quick answer: by a tenth of what is answered. */
const RAISED_BY = 0.1

export function createBudget({ countMax, bytesMax, answerMs }: BudgetOptions): Budget {
  const waiting = new Set<Waiter>()
  const slowMs = answerMs * SLOW
  let count = 0
  let bytesHeld = 0
  let bound = countMax
  let loweredAt = -Infinity
  const hasPlace = () => count < bound

  function adapt({ tookMs, isAnswered }: Passage): void {
    if (tookMs <= slowMs) {
      // A bound that nobody meets says nothing of what could be done; nor does one who has left.
      const isTelling = isAnswered && tookMs < slowMs / 2 && count > bound / 2
      if (isTelling) bound = Math.min(countMax, bound + RAISED_BY)
      return
    }
    // Fewer than are let through at the least are not slow for being too many. More are, also where
    // they are far below the bound: sessions end before they could meet it.
    const nowMs = performance.now()
    if (count <= COUNT_MIN || nowMs - loweredAt <= slowMs) return
    loweredAt = nowMs
    bound = Math.max(COUNT_MIN, Math.min(bound, count) * LOWERED_TO)
  }

  return {
    enter(bytes) {
      if (bytesHeld + bytes > bytesMax) return false
      bytesHeld += bytes
      return true
    },
    pass() {
      if (!hasPlace()) return false
      count++
      return true
    },
    whenPlace: (waiter) => void waiting.add(waiter),
    forget: (waiter) => void waiting.delete(waiter),
    leave(bytes, passage) {
      bytesHeld -= bytes
      if (passage === undefined) return
      adapt(passage)
      count--
      for (const waiter of waiting) {
        if (!hasPlace()) return
        waiting.delete(waiter)
        count++
        waiter.pass()
      }
    },
    isSpent: () => !hasPlace(),
  }
}
