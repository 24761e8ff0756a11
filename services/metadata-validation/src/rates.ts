// How much an account may send, in messages, recipients and bytes (a message to n accounts counts its
// bytes n times).
//
//   pair       sender to one recipient account, in a group too. By default two rates at once, of which
//              the slow one keeps one stranger from filling a mailbox (20,000 entries) within a day
//   sender     all that an account sends
//   recipient  all that is sent to an account directly. Groups are left out: strangers who flood one
//              member must not silence the group.
//
// The buckets are in this process's memory: n replicas let through up to n times as much, and a
// restart forgets. That bounds abuse well enough and costs no round trip.

import { type AccountId } from '@twotick/protocol'
import { type Buckets, createBuckets, type Rate } from './buckets.ts'

/** The rates of every kind of bucket, which hold all at once; none: no bound. */
export interface Rates {
  readonly pairMessages: readonly Rate[]
  readonly pairBytes: readonly Rate[]
  readonly senderMessages: readonly Rate[]
  readonly senderRecipients: readonly Rate[]
  readonly senderBytes: readonly Rate[]
  readonly recipientMessages: readonly Rate[]
  readonly recipientBytes: readonly Rate[]
}

/** A send as the rates see it. `recipients` without the sender's own account. */
export interface Load {
  readonly sender: AccountId
  readonly recipients: readonly AccountId[]
  readonly isGroup: boolean
  readonly bytes: number
}

export interface RateLimiter {
  /** 0 if the send may go now, else how long until it may, in milliseconds. Takes nothing. */
  waitMs(load: Load): number
  /** Counts a send that was accepted. */
  take(load: Load): void
}

const ACCOUNT_BUCKETS_MAX = 100_000
const PAIR_BUCKETS_MAX = 500_000

/** Rate limits in memory; `now` is a monotone clock in milliseconds. */
export function createRateLimiter(rates: Rates, now = () => performance.now()): RateLimiter {
  const bucketsOf = (some: readonly Rate[], bucketsMax: number) =>
    some.map((rate) => createBuckets(rate, bucketsMax))
  const pair = {
    messages: bucketsOf(rates.pairMessages, PAIR_BUCKETS_MAX),
    bytes: bucketsOf(rates.pairBytes, PAIR_BUCKETS_MAX),
  }
  const sender = {
    messages: bucketsOf(rates.senderMessages, ACCOUNT_BUCKETS_MAX),
    recipients: bucketsOf(rates.senderRecipients, ACCOUNT_BUCKETS_MAX),
    bytes: bucketsOf(rates.senderBytes, ACCOUNT_BUCKETS_MAX),
  }
  const recipient = {
    messages: bucketsOf(rates.recipientMessages, ACCOUNT_BUCKETS_MAX),
    bytes: bucketsOf(rates.recipientBytes, ACCOUNT_BUCKETS_MAX),
  }

  /** Calls `visit` with each bucket that a send draws on, and how much. */
  function drawn(load: Load, visit: (buckets: Buckets, key: string, amount: number) => void) {
    const draw = (some: readonly Buckets[], key: string, amount: number) => {
      for (const buckets of some) visit(buckets, key, amount)
    }
    const count = load.recipients.length
    draw(sender.messages, load.sender, 1)
    // A bucket in debt holds back even what takes nothing from it.
    if (count > 0) draw(sender.recipients, load.sender, count)
    draw(sender.bytes, load.sender, load.bytes * Math.max(1, count))
    for (const accountId of load.recipients) {
      const key = `${load.sender}>${accountId}`
      draw(pair.messages, key, 1)
      draw(pair.bytes, key, load.bytes)
      if (load.isGroup) continue
      draw(recipient.messages, accountId, 1)
      draw(recipient.bytes, accountId, load.bytes)
    }
  }

  return {
    waitMs(load) {
      const nowMs = now()
      let waitMs = 0
      drawn(load, (buckets, key, amount) => {
        waitMs = Math.max(waitMs, buckets.waitMs(key, amount, nowMs))
      })
      return waitMs
    },
    take(load) {
      const nowMs = now()
      drawn(load, (buckets, key, amount) => {
        buckets.take(key, amount, nowMs)
      })
    },
  }
}
