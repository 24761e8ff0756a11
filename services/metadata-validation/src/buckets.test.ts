// Goal: a bucket lets through its burst, then its rate; several hold at once.

import { expect, test } from 'vitest'
import { createMeter, type FullAt } from './buckets.ts'

test('goal: sixty at once, then one a second', () => {
  const meter = createMeter([{ burst: 60, perSecond: 1 }])
  let fullAt: FullAt
  for (let taken = 0; taken < 60; taken += 1) {
    expect(meter.waitMs(fullAt, [1], 0)).toBe(0)
    fullAt = meter.take(fullAt, [1], 0)
  }
  expect(meter.waitMs(fullAt, [1], 0)).toBe(1_000)
  expect(meter.waitMs(fullAt, [1], 400)).toBe(600)
  expect(meter.waitMs(fullAt, [0], 0)).toBe(0)
  expect(meter.waitMs(fullAt, [1], 1_000)).toBe(0)
  fullAt = meter.take(fullAt, [1], 1_000)
  expect(meter.waitMs(fullAt, [1], 1_000)).toBe(1_000)
  // A long silence fills it to the burst and no further.
  fullAt = meter.take(fullAt, [60], 10_000_000)
  expect(meter.waitMs(fullAt, [1], 10_000_000)).toBe(1_000)
})

test('goal: what is larger than the burst goes when the bucket is full, and is paid for', () => {
  const meter = createMeter([{ burst: 10, perSecond: 10 }])
  expect(meter.waitMs(undefined, [30], 0)).toBe(0)
  const fullAt = meter.take(undefined, [30], 0)
  expect(meter.waitMs(fullAt, [1], 0)).toBe(2_100)
  expect(meter.waitMs(fullAt, [30], 2_000)).toBe(1_000)
})

test('goal: of several rates the slowest decides', () => {
  const meter = createMeter([
    { burst: 2, perSecond: 1 },
    { burst: 3, perSecond: 0.1 },
  ])
  let fullAt: FullAt
  for (const nowMs of [0, 0, 1_000]) {
    expect(meter.waitMs(fullAt, [1, 1], nowMs)).toBe(0)
    fullAt = meter.take(fullAt, [1, 1], nowMs)
  }
  expect(meter.waitMs(fullAt, [1, 1], 2_000)).toBe(8_000)
})

test('goal: without rates nothing waits', () => {
  const meter = createMeter([])
  expect(meter.waitMs(meter.take(undefined, [1], 0), [1], 0)).toBe(0)
})
