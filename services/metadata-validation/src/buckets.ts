// Token buckets, many of them by key, in bounded memory.
//
// A bucket starts full and refills steadily. The least recently used are forgotten beyond the bound;
// a forgotten bucket is a full one, which errs on the side of letting something through.

import { LRUCache } from 'lru-cache'

/** How much at once, and how much a second from then on. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

interface Bucket {
  tokens: number
  atMs: number
}

/** Buckets of one rate. Times are of one monotone clock, in milliseconds. */
export interface Buckets {
  /** 0 if `amount` can be taken from the key's bucket now; else how long to wait. */
  waitMs(key: string, amount: number, nowMs: number): number
  /** Takes `amount`; to be called only after `waitMs` said 0. */
  take(key: string, amount: number, nowMs: number): void
}

/**
 * Buckets of one rate, at most `bucketsMax` remembered. More than a whole burst is allowed once the
 * bucket is full, and leaves it in debt: what is in bounds elsewhere can be sent at some time.
 */
export function createBuckets(rate: Rate, bucketsMax: number): Buckets {
  // By size and not by `max`, which would set aside the memory of a full cache at once.
  const buckets = new LRUCache<string, Bucket>({ maxSize: bucketsMax, sizeCalculation: () => 1 })

  function tokens(bucket: Bucket | undefined, nowMs: number): number {
    if (bucket === undefined) return rate.burst
    const refilled = bucket.tokens + ((nowMs - bucket.atMs) / 1000) * rate.perSecond
    return Math.min(rate.burst, refilled)
  }

  return {
    waitMs(key, amount, nowMs) {
      const missing = Math.min(amount, rate.burst) - tokens(buckets.get(key), nowMs)
      return missing <= 0 ? 0 : Math.ceil((missing / rate.perSecond) * 1000)
    },
    take(key, amount, nowMs) {
      const bucket = buckets.get(key)
      const left = tokens(bucket, nowMs) - amount
      if (bucket === undefined) buckets.set(key, { tokens: left, atMs: nowMs })
      else Object.assign(bucket, { tokens: left, atMs: nowMs })
    },
  }
}
