// Goal: what grows is found, and what only wavers is not.

import { expect, test } from 'vitest'
import { trendsOf } from './gauges.ts'

const isFlat = (values: readonly number[], name = 'gateway 1: live memory, MiB') =>
  trendsOf(values.map((value) => new Map([[name, value]])))[0]?.isFlat

test.each([
  [true, [100, 101, 99, 100, 102, 98, 101, 100, 99]],
  [true, [100, 90, 80, 70, 60, 50]],
  [false, [100, 104, 108, 112, 116, 120]],
  [true, [20, 20, 21, 22, 22, 22]], // two files more
  [false, [1, 3, 5, 7, 9, 11]],
])('flat: %s, where it is %j', (flat, values) => {
  expect(isFlat(values)).toBe(flat)
})

test('what a process has resident may come and go, in its bounds', () => {
  const resident = 'gateway 1: resident, MiB'
  expect(isFlat([160, 180, 200, 220, 240, 260], resident)).toBe(true)
  expect(isFlat([160, 180, 200, 220, 540, 560], resident)).toBe(false)
})
