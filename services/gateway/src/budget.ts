// What all sessions together may have without an answer. A session that meets the bound waits, its
// socket unread, until others have got theirs.
//
// The bound follows what the services behind it can do: it falls while answers take long, and rises
// while they are quick. So a relay that is given more than it can do answers later, and goes on doing
// what it can. (With a fixed bound it took in more than it could answer in time, had to end sessions,
// and got all of their sends once more: of devices that wanted 700 messages a second from a busy
// machine, a quarter were connected, and 105 messages a second got through.)

export interface Budget {
  take(bytes: number): void
  /** `waitedMs`: since it came. `isAnswered`: with a tick or a rejection, not by a session's end. */
  giveBack(bytes: number, waitedMs: number, isAnswered: boolean): void
  isSpent(): boolean
  /** Calls `resume` once there is room again, in the order of asking; `fail` if nobody is answered. */
  whenRoom(waiter: Waiter): void
}

export interface Waiter {
  resume(): void
  fail(): void
}

export interface BudgetOptions {
  readonly countMax: number
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
  let bytesTaken = 0
  let bound = countMax
  let loweredAt = -Infinity
  let answeredAt = -Infinity
  let isFailing = false
  const isSpent = () => count >= bound || bytesTaken >= bytesMax

  function adapt(waitedMs: number, nowMs: number): void {
    if (waitedMs < slowMs / 2) {
      // A bound that nobody meets says nothing of what could be done.
      if (count > bound / 2) bound = Math.min(countMax, bound + RAISED_BY)
    } else if (waitedMs > slowMs && nowMs - loweredAt > slowMs) {
      loweredAt = nowMs
      bound = Math.min(countMax, Math.max(COUNT_MIN, Math.min(bound, count) * LOWERED_TO))
    }
  }

  /**
   * Whoever waits for room waits on something that has stopped. A session that fails gives back what
   * it has, which leads here again: not once more for each, or the stack ends before they do.
   */
  function failAll(): void {
    if (isFailing) return
    isFailing = true
    for (const waiter of waiting) {
      waiting.delete(waiter)
      waiter.fail()
    }
    isFailing = false
  }

  return {
    take(bytes) {
      count++
      bytesTaken += bytes
    },
    giveBack(bytes, waitedMs, isAnswered) {
      const nowMs = performance.now()
      adapt(waitedMs, nowMs)
      count--
      bytesTaken -= bytes
      if (isAnswered) answeredAt = nowMs
      else if (waitedMs >= answerMs && nowMs - answeredAt >= answerMs) failAll()
      for (const waiter of waiting) {
        if (isSpent()) return
        waiting.delete(waiter)
        waiter.resume()
      }
    },
    isSpent,
    whenRoom: (waiter) => void waiting.add(waiter),
  }
}
