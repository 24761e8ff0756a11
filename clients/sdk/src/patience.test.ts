// Goal: silence ends a link only while the relay owes a word, and not before what has come was heard.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPatience } from './patience.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function open() {
  const exhausted = vi.fn()
  return { exhausted, ...createPatience(exhausted) }
}

test('it ends after so much silence while a word is owed', () => {
  const { waits, exhausted } = open()
  waits(1_000)
  vi.advanceTimersByTime(999)
  waits(1_000) // still the same wait
  expect(exhausted).not.toHaveBeenCalled()
  vi.advanceTimersByTime(101)
  expect(exhausted).toHaveBeenCalledOnce()
})

test('every word begins it anew', () => {
  const { waits, heard, exhausted } = open()
  waits(1_000)
  for (let words = 0; words < 5; words++) {
    vi.advanceTimersByTime(900)
    heard()
  }
  expect(exhausted).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1_100)
  expect(exhausted).toHaveBeenCalledOnce()
})

test('where nothing is owed there is no end to it', () => {
  const { waits, exhausted } = open()
  waits(1_000)
  waits(undefined)
  vi.advanceTimersByTime(60_000)
  expect(exhausted).not.toHaveBeenCalled()
  waits(1_000)
  vi.advanceTimersByTime(999)
  expect(exhausted).not.toHaveBeenCalled()
})

test('a word that had come while this side stood still is heard first', () => {
  const { waits, heard, exhausted } = open()
  waits(1_000)
  vi.advanceTimersByTime(1_050)
  heard()
  vi.advanceTimersByTime(900)
  expect(exhausted).not.toHaveBeenCalled()
})
