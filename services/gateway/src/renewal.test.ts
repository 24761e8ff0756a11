import { RefusalCode } from '@twotick/protocol'
import { afterEach, expect, test, vi } from 'vitest'
import type { LiveSession } from './connection.ts'
import { renewSessions } from './renewal.ts'

const HOUR_MS = 3_600_000

afterEach(() => vi.useRealTimers())

test('goal: sessions that began together end one by one, each once, over the last hours', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  const stopping = new AbortController()
  const ends: number[] = []
  const finish = vi.fn(() => {
    ends.push(performance.now())
    return Promise.resolve()
  })
  const sessions = Array.from({ length: 200 }, () => ({ finish }) as unknown as LiveSession)
  renewSessions({ all: () => sessions }, { sessionMs: 24 * HOUR_MS, signal: stopping.signal })
  const began = performance.now()
  vi.advanceTimersByTime(18 * HOUR_MS)
  expect(ends).toEqual([])
  vi.advanceTimersByTime(7 * HOUR_MS)
  // Of those of one look, all but the first go a moment later.
  await vi.waitFor(() => expect(ends).toHaveLength(200))
  expect(finish).toHaveBeenCalledWith(expect.objectContaining({ code: RefusalCode.GOING_AWAY }))
  for (let hour = 18; hour < 24; hour++) {
    const within = ends.filter((at) => Math.floor((at - began) / HOUR_MS) === hour)
    expect(within.length).toBeGreaterThan(5)
  }
  stopping.abort()
  expect(vi.getTimerCount()).toBe(0)
})
