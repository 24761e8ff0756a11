// Goal: a bucket lets through its burst, then its rate, and memory stays bounded.

import { expect, test } from 'vitest'
import { createBuckets } from './buckets.ts'

test('goal: sixty at once, then one a second', () => {
  const buckets = createBuckets({ burst: 60, perSecond: 1 }, 10)
  for (let taken = 0; taken < 60; taken += 1) {
    expect(buckets.waitMs('a', 1, 0)).toBe(0)
    buckets.take('a', 1, 0)
  }
  expect(buckets.waitMs('a', 1, 0)).toBe(1_000)
  expect(buckets.waitMs('a', 1, 400)).toBe(600)
  expect(buckets.waitMs('b', 1, 0)).toBe(0)
  expect(buckets.waitMs('a', 1, 1_000)).toBe(0)
  buckets.take('a', 1, 1_000)
  expect(buckets.waitMs('a', 1, 1_000)).toBe(1_000)
  // A long silence fills it to the burst and no further.
  expect(buckets.waitMs('a', 60, 10_000_000)).toBe(0)
  buckets.take('a', 60, 10_000_000)
  expect(buckets.waitMs('a', 1, 10_000_000)).toBe(1_000)
})

test('goal: what is larger than the burst goes when the bucket is full, and is paid for', () => {
  const buckets = createBuckets({ burst: 10, perSecond: 10 }, 10)
  expect(buckets.waitMs('a', 30, 0)).toBe(0)
  buckets.take('a', 30, 0)
  expect(buckets.waitMs('a', 1, 0)).toBe(2_100)
  expect(buckets.waitMs('a', 30, 2_000)).toBe(1_000)
})

test('goal: beyond the bound the least recently used is forgotten', () => {
  const buckets = createBuckets({ burst: 1, perSecond: 1 }, 2)
  for (const key of ['a', 'b', 'c']) buckets.take(key, 1, 0)
  expect(buckets.waitMs('a', 1, 0)).toBe(0)
  expect(buckets.waitMs('c', 1, 0)).toBe(1_000)
})
