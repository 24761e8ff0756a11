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
import { LRUCache } from 'lru-cache'
import { createMeter, type FullAt, type Rate } from './buckets.ts'

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

const ACCOUNTS_MAX = 100_000
// About 40 MB where all are in use.
const PAIRS_MAX = 300_000

/** Rate limits in memory; `now` is a monotone clock in milliseconds. */
export function createRateLimiter(rates: Rates, now = () => performance.now()): RateLimiter {
  const sender = meterOf(rates.senderMessages, rates.senderRecipients, rates.senderBytes)
  const recipient = meterOf(rates.recipientMessages, rates.recipientBytes)
  const pair = meterOf(rates.pairMessages, rates.pairBytes)
  const senders = new LRUCache<AccountId, number[]>(byCount(ACCOUNTS_MAX))
  const recipients = new LRUCache<AccountId, number[]>(byCount(ACCOUNTS_MAX))
  const pairs = createPairs(PAIRS_MAX)

  /** What a send draws: from its sender's buckets all, from a recipient's and a pair's its part. */
  function amountsOf({ recipients: { length }, bytes }: Load) {
    return {
      sender: sender.amounts(1, length, bytes * Math.max(1, length)),
      recipient: recipient.amounts(1, bytes),
      pair: pair.amounts(1, bytes),
    }
  }

  return {
    waitMs(load) {
      const nowMs = now()
      const amounts = amountsOf(load)
      const ofSender = pairs.of(load.sender)
      let waitMs = sender.waitMs(senders.get(load.sender), amounts.sender, nowMs)
      for (const accountId of load.recipients) {
        waitMs = Math.max(waitMs, pair.waitMs(ofSender?.get(accountId), amounts.pair, nowMs))
        if (load.isGroup) continue
        const fullAt = recipients.get(accountId)
        waitMs = Math.max(waitMs, recipient.waitMs(fullAt, amounts.recipient, nowMs))
      }
      return waitMs
    },
    take(load) {
      const nowMs = now()
      const amounts = amountsOf(load)
      if (sender.isBound) {
        senders.set(load.sender, sender.take(senders.get(load.sender), amounts.sender, nowMs))
      }
      if (pair.isBound) {
        const take = (fullAt: FullAt) => pair.take(fullAt, amounts.pair, nowMs)
        pairs.change(load.sender, load.recipients, take)
      }
      if (load.isGroup || !recipient.isBound) return
      for (const accountId of load.recipients) {
        const fullAt = recipient.take(recipients.get(accountId), amounts.recipient, nowMs)
        recipients.set(accountId, fullAt)
      }
    },
  }
}

/** A meter of several kinds of rates; `amounts` gives each kind's amount to each of its rates. */
function meterOf(...kinds: readonly (readonly Rate[])[]) {
  const rates = kinds.flat()
  const kindOf = kinds.flatMap((ofKind, kind) => ofKind.map(() => kind))
  return {
    ...createMeter(rates),
    isBound: rates.length > 0,
    amounts: (...each: readonly number[]) => kindOf.map((kind) => each[kind] ?? 0),
  }
}

/** By size and not by `max`, which would set aside the memory of a full cache at once. */
function byCount(count: number) {
  return { maxSize: count, sizeCalculation: () => 1 }
}

/**
 * The buckets of pairs, by sender, so that a send to a thousand accounts is a thousand look-ups of a
 * key that is there already. Beyond the bound the senders that were least recently active go.
 */
function createPairs(pairsMax: number) {
  const bySender = new Map<AccountId, Map<AccountId, number[]>>()
  let count = 0

  function forgetOldest() {
    for (const [sender, gone] of bySender) {
      if (count <= pairsMax) return
      bySender.delete(sender)
      count -= gone.size
    }
  }

  return {
    of: (sender: AccountId): ReadonlyMap<AccountId, number[]> | undefined => bySender.get(sender),
    /** Changes a sender's buckets for these recipients; it counts as active. */
    change(
      sender: AccountId,
      recipients: readonly AccountId[],
      change: (fullAt: FullAt) => number[],
    ) {
      const found = bySender.get(sender) ?? new Map<AccountId, number[]>()
      bySender.delete(sender)
      bySender.set(sender, found)
      count -= found.size
      for (const recipient of recipients) found.set(recipient, change(found.get(recipient)))
      count += found.size
      forgetOldest()
    },
  }
}
