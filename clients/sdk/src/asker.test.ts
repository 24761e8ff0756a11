import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EnvelopeType, type StatusQuery } from '@twotick/protocol'
import { ASK_SCHEDULE, createAsker, toQueries } from './asker.ts'
import type { Pair } from './ticks.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function pair(no: number, accountId = 'bob', storedAtMs = 0): Pair {
  const base = { to: { account: accountId }, type: EnvelopeType.MESSAGE, lifetimeS: 0 }
  const made = { madeInEpoch: 'now', storedInEpoch: 'now', storedAtMs, rosterVersion: 0 }
  const tag = new Uint8Array(8)
  return { accountId, attempt: { ...base, ...made, no, messageNo: no, tag, accounts: [accountId] } }
}

function asking(pairs: Pair[]) {
  const sent: StatusQuery[] = []
  const send = (query: StatusQuery) => void sent.push(query)
  const asker = createAsker({ schedule: ASK_SCHEDULE, pairs: () => pairs, send, now: Date.now })
  const answer = () => sent.forEach(({ queryId }) => asker.answered(queryId))
  return { asker, sent, answer }
}

test('it asks once drained, after 10 s, every 60 s, and upon Resync', () => {
  // Goal: the schedule of design §7; not before Drained, not after the connection is gone.
  const { asker, sent, answer } = asking([pair(1)])
  const counts: number[] = []
  const count = () => (answer(), counts.push(sent.length))
  asker.resync()
  count()
  asker.drained()
  count()
  vi.advanceTimersByTime(10_000)
  count()
  vi.advanceTimersByTime(50_000)
  count()
  vi.advanceTimersByTime(60_000)
  count()
  asker.resync()
  count()
  asker.disconnected()
  vi.advanceTimersByTime(3_600_000)
  expect(counts).toEqual([0, 1, 2, 3, 4, 5])
  expect(sent).toHaveLength(5)
})

test('after an hour it asks for old ones every 10 min only', () => {
  // Goal: a message that waits for weeks costs little; young ones go on being asked for.
  const pairs = [pair(1)]
  const { asker, sent, answer } = asking(pairs)
  asker.drained()
  for (let minute = 0; minute < 61; minute += 1) {
    vi.advanceTimersByTime(60_000)
    answer()
  }
  pairs.push(pair(2, 'bob', Date.now()))
  const before = sent.length
  for (let minute = 0; minute < 10; minute += 1) {
    vi.advanceTimersByTime(60_000)
    answer()
  }
  const asked = sent.slice(before).map(({ items }) => items.map(({ no }) => no))
  expect(asked).toHaveLength(10)
  expect(asked.filter((nos) => nos.includes(1))).toHaveLength(1)
})

test('queries are of one recipient, at most 256 items, and four at a time', () => {
  // Goal: the bounds of the protocol; nothing is asked twice while it has no answer.
  const pairs = Array.from({ length: 1_500 }, (_, index) => pair(index + 1))
  let id = 0
  expect(toQueries([...pairs, pair(1, 'carol')], () => (id += 1)).map(sizeOf)).toEqual([
    ...[256, 256, 256, 256, 256, 220, 1],
  ])
  const { asker, sent } = asking(pairs)
  asker.drained()
  asker.resync()
  expect(sent).toHaveLength(4)
  sent.slice(0, 4).forEach(({ queryId }) => asker.answered(queryId))
  expect(sent).toHaveLength(6)
})

function sizeOf({ items }: StatusQuery): number {
  return items.length
}
