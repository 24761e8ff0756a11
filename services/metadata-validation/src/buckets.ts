// Token buckets, as little state as they need: for each bucket the moment at which it is full again.
//
// A bucket is full at first and refills steadily. One that is full again needs no state at all: what
// is forgotten is full, which errs on the side of letting something through.

/** How much at once, and how much a second from then on. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** When each of some buckets is full again, in milliseconds; undefined: all are full. */
export type FullAt = number[] | undefined

/** Some buckets of one key, drawn on together. Times are of one monotone clock, in milliseconds. */
export interface Meter {
  /** 0 if all amounts can be taken now; else how long to wait. */
  waitMs(fullAt: FullAt, amounts: readonly number[], nowMs: number): number
  /** Takes, only after `waitMs` said 0: changes the state that there is, or gives a first one. */
  take(fullAt: FullAt, amounts: readonly number[], nowMs: number): number[]
}

/**
 * A meter of these rates; `amounts` are in their order. More than a whole burst may be taken from a
 * full bucket, and leaves it in debt: what is in bounds elsewhere can be sent at some time.
 */
export function createMeter(rates: readonly Rate[]): Meter {
  const buckets = rates.map(({ burst, perSecond }) => ({ burst, msPerToken: 1000 / perSecond }))
  return {
    waitMs(fullAt, amounts, nowMs) {
      if (fullAt === undefined) return 0
      let waitMs = 0
      let at = 0
      for (const { burst, msPerToken } of buckets) {
        const amount = amounts[at] ?? 0
        const enoughAtMs = (fullAt[at] ?? 0) - Math.max(0, burst - amount) * msPerToken
        // A bucket in debt does not hold back what takes nothing from it.
        if (amount > 0 && enoughAtMs - nowMs > waitMs) waitMs = enoughAtMs - nowMs
        at += 1
      }
      return Math.ceil(waitMs)
    },
    take(fullAt, amounts, nowMs) {
      const taken = fullAt ?? buckets.map(() => nowMs)
      let at = 0
      for (const { msPerToken } of buckets) {
        taken[at] = Math.max(nowMs, taken[at] ?? nowMs) + (amounts[at] ?? 0) * msPerToken
        at += 1
      }
      return taken
    },
  }
}
