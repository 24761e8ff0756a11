// Goal: silence ends a link, after so long and not before, whatever the clock does meanwhile.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createHeart } from './heart.ts'

const HOUR_MS = 3_600_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function open() {
  const ping = vi.fn()
  const close = vi.fn()
  const heart = createHeart({ ping, close })
  heart.opened(35_000)
  return { heart, ping, close }
}

test('it pings after a while without a word, and ends after so much silence', () => {
  const { heart, ping, close } = open()
  vi.advanceTimersByTime(14_000)
  expect(ping).not.toHaveBeenCalled()
  vi.advanceTimersByTime(4_000)
  expect(ping).toHaveBeenCalled()
  vi.advanceTimersByTime(14_000)
  expect(close).not.toHaveBeenCalled()
  vi.advanceTimersByTime(6_000)
  expect(close).toHaveBeenCalled()
  heart.stop()
})

test('what is heard keeps it', () => {
  const { heart, close } = open()
  for (let words = 0; words < 6; words++) {
    vi.advanceTimersByTime(20_000)
    heart.heard()
  }
  expect(close).not.toHaveBeenCalled()
  heart.stop()
})

test('a clock that is set back does not keep a silent link for as long', () => {
  const { heart, close } = open()
  vi.advanceTimersByTime(10_000)
  vi.setSystemTime(Date.now() - HOUR_MS)
  vi.advanceTimersByTime(30_000)
  expect(close).not.toHaveBeenCalled()
  vi.advanceTimersByTime(10_000)
  expect(close).toHaveBeenCalled()
  heart.stop()
})
