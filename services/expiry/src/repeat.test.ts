// Goal: rounds repeat at their pace, a failing one never turns into a busy loop, and all ends with
// the signal.

import { expect, test } from 'vitest'
import { repeat } from './repeat.ts'

test('goes on after a round, and ends with the signal', async () => {
  const stop = new AbortController()
  let rounds = 0
  await repeat(
    async () => {
      rounds += 1
      if (rounds === 5) stop.abort()
    },
    { intervalMs: 1, signal: stop.signal, onFailure: () => undefined },
  )
  expect(rounds).toBe(5)
})

test('pauses at least half a second after a failure, however short the interval', async () => {
  const stop = new AbortController()
  const failures: unknown[] = []
  const beganAt = performance.now()
  await repeat(
    async () => {
      if (failures.length === 1) return stop.abort()
      throw new Error('away')
    },
    { intervalMs: 1, signal: stop.signal, onFailure: (error) => failures.push(error) },
  )
  expect(performance.now() - beganAt).toBeGreaterThanOrEqual(490)
  expect(failures).toEqual([new Error('away')])
})

test('a round that the signal ends is no failure', async () => {
  const stop = new AbortController()
  const failures: unknown[] = []
  await repeat(
    async (signal) => {
      stop.abort()
      signal.throwIfAborted()
    },
    { intervalMs: 1, signal: stop.signal, onFailure: (error) => failures.push(error) },
  )
  expect(failures).toEqual([])
})
