import { expect, test } from 'vitest'
import { backoffMs } from './backoff.ts'

test('full jitter from 0.5 s up to 30 s', () => {
  // Goal: a random part of a ceiling that doubles and is bounded.
  const ceilings = [1, 2, 3, 7, 8, 1_000].map((failures) => backoffMs(failures, 0, () => 1))
  expect(ceilings).toEqual([500, 1_000, 2_000, 30_000, 30_000, 30_000])
  expect(backoffMs(5, 0, () => 0)).toBe(0)
})

test('retry_after is waited for in full', () => {
  // Goal: the relay's own pacing holds, with a little jitter on top.
  expect(backoffMs(5, 4_000, () => 0)).toBe(4_000)
  expect(backoffMs(5, 4_000, () => 1)).toBe(4_500)
})
