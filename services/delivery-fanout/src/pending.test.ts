// Goal: what waits is bounded in bytes, keeps its order, and loses its oldest first.

import { expect, test } from 'vitest'
import { createPending } from './pending.ts'

const message = (number: number, bytes = 744) => ({
  subject: String(number),
  data: new Uint8Array(bytes),
})

test('takes the oldest, up to a number of bytes, and one whatever its size', () => {
  const pending = createPending(1_000_000)
  for (const number of [1, 2, 3]) pending.push(message(number))
  expect(pending.take(2_000).map((taken) => taken.subject)).toEqual(['1', '2'])
  expect(pending.take(1).map((taken) => taken.subject)).toEqual(['3'])
  expect(pending.take(1)).toEqual([])
  expect(pending.isEmpty()).toBe(true)
})

test('beyond the bound the oldest half goes, however small the messages are', () => {
  const pending = createPending(10_000)
  const dropped = Array.from({ length: 1_000 }, (_, number) => pending.push(message(number, 0)))
  const kept = pending.take(Infinity).map((taken) => Number(taken.subject))
  expect(kept.length).toBeLessThanOrEqual(10_000 / 256)
  expect(kept).toEqual(kept.map((_, index) => 1_000 - kept.length + index))
  expect(dropped.reduce((sum, count) => sum + count, 0)).toBe(1_000 - kept.length)
})

test('filled resolves with the next message, or when it is woken', async () => {
  const pending = createPending(1_000)
  const filled = pending.filled()
  pending.push(message(1, 0))
  await filled
  await pending.filled()
  pending.take(1_000)
  const again = pending.filled()
  pending.wake()
  await again
})
