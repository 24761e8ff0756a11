// Goal: each bucket bounds what it is for, and a look takes nothing.

import { type AccountId } from '@twotick/protocol'
import { expect, test } from 'vitest'
import { configSchema } from './config.ts'
import { createRateLimiter, type Load, type Rates } from './rates.ts'

const UNBOUND: Rates = {
  pairMessages: [],
  pairBytes: [],
  senderMessages: [],
  senderRecipients: [],
  senderBytes: [],
  recipientMessages: [],
  recipientBytes: [],
}
const TWO = [{ burst: 2, perSecond: 1 }]
const [alice, bob, carol] = ['alice', 'bob', 'carol'] as AccountId[] as [
  AccountId,
  AccountId,
  AccountId,
]

function load(sender: AccountId, recipients: AccountId[], rest: Partial<Load> = {}): Load {
  return { sender, recipients, isGroup: false, bytes: 1, ...rest }
}

/** Which of these loads go, one after the other, at one moment. */
function passed(rates: Partial<Rates>, loads: Load[]): boolean[] {
  const limiter = createRateLimiter({ ...UNBOUND, ...rates }, () => 0)
  return loads.map((one) => {
    const isPassed = limiter.waitMs(one) === 0
    if (isPassed) limiter.take(one)
    return isPassed
  })
}

test('goal: without rates everything goes', () => {
  expect(passed({}, Array(100).fill(load(alice, [bob])))).not.toContain(false)
})

test('goal: a pair is bounded, another pair of the same sender is not', () => {
  const loads = [bob, bob, bob, carol].map((to) => load(alice, [to]))
  expect(passed({ pairMessages: TWO }, loads)).toEqual([true, true, false, true])
})

test('goal: a pair counts in a group too, and a spent one holds back the whole send', () => {
  const loads = [[bob], [bob, carol], [carol, bob], [carol]].map((to) => load(alice, to))
  expect(passed({ pairMessages: TWO }, loads)).toEqual([true, true, false, true])
})

test('goal: a sender is bounded in messages, in recipients, and in bytes times recipients', () => {
  const one = [load(alice, [bob]), load(alice, [carol]), load(alice, [bob]), load(bob, [alice])]
  expect(passed({ senderMessages: TWO }, one)).toEqual([true, true, false, true])
  const both = load(alice, [bob, carol])
  expect(passed({ senderRecipients: TWO }, [both, both])).toEqual([true, false])
  expect(
    passed({ senderBytes: [{ burst: 10, perSecond: 1 }] }, [
      { ...both, bytes: 4 },
      { ...both, bytes: 2 },
      { ...both, bytes: 1 },
    ]),
  ).toEqual([true, false, true])
})

test('goal: a note to one’s own devices counts as a message without a recipient', () => {
  const note = load(alice, [])
  expect(passed({ senderMessages: TWO }, [note, note, note])).toEqual([true, true, false])
  expect(passed({ senderRecipients: TWO }, [note, note, note])).toEqual([true, true, true])
})

test('goal: a recipient is bounded over all senders, but groups go on', () => {
  const loads = [
    load(alice, [bob]),
    load(carol, [bob]),
    load(alice, [bob]),
    load(alice, [bob], { isGroup: true }),
  ]
  expect(passed({ recipientMessages: TWO }, loads)).toEqual([true, true, false, true])
  expect(passed({ recipientBytes: TWO }, loads)).toEqual([true, true, false, true])
})

test('goal: waiting as long as it says is enough', () => {
  let nowMs = 0
  const limiter = createRateLimiter({ ...UNBOUND, pairMessages: TWO }, () => nowMs)
  const one = load(alice, [bob])
  for (let sent = 0; sent < 2; sent += 1) limiter.take(one)
  nowMs = limiter.waitMs(one)
  expect(nowMs).toBe(1_000)
  expect(limiter.waitMs(one)).toBe(0)
})

test('goal: by default no one stranger fills a mailbox within a day', () => {
  // The envelope-store's bounds of a mailbox.
  const mailbox = { entries: 20_000, bytes: 128 * 1_048_576 }
  const rates = configSchema.shape.rate.parse({})
  for (const bytes of [1, 65_536]) {
    let nowMs = 0
    let sent = 0
    const limiter = createRateLimiter(rates, () => nowMs)
    const one = load(alice, [bob], { bytes })
    while (nowMs < 86_400_000) {
      const waitMs = limiter.waitMs(one)
      if (waitMs === 0) {
        limiter.take(one)
        sent += 1
      }
      nowMs += waitMs
    }
    expect(sent).toBeGreaterThan(500)
    expect(sent).toBeLessThan(mailbox.entries)
    expect(sent * bytes).toBeLessThan(mailbox.bytes)
  }
})
