import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createOpenings, type Openings, type Turn } from './openings.ts'

const PER_SECOND = 20
/** What a tenth of a second has spared, and the one whose turn it is. */
const FIRST = 3

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

/** As many as come in, with what each has got by now. */
async function come(openings: Openings, count: number) {
  const got: (Turn | 'away')[] = []
  for (let each = 0; each < count; each += 1)
    void openings.enter().then((turn) => got.push(turn ?? 'away'))
  await after(0)
  return got
}

const after = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** Takes those that have their turn out, and ends it. */
function leave(got: (Turn | 'away')[], isOpened = true): number {
  const turns = got.splice(0).filter((turn) => turn !== 'away')
  for (const turn of turns) turn.leave(isOpened)
  return turns.length
}

test('the first ones at once, the others so many a second', async () => {
  const openings = createOpenings(PER_SECOND)
  const got = await come(openings, 12)
  expect(leave(got)).toBe(FIRST)
  const later: number[] = []
  for (let each = 0; each < 6; each += 1) {
    await after(1_000 / PER_SECOND)
    later.push(leave(got))
  }
  expect(later).toEqual([1, 1, 1, 1, 1, 1])
})

test('who would wait too long is sent away at once, for as long as the others take', async () => {
  const openings = createOpenings(PER_SECOND)
  expect(openings.awayMs()).toBe(1_000)
  const got = await come(openings, 100)
  const away = got.filter((turn) => turn === 'away').length
  expect(away).toBe(100 - FIRST - PER_SECOND)
  expect(openings.awayMs()).toBeGreaterThan(4_850)
  expect(openings.awayMs()).toBeLessThan(6_000)
  expect(Number.isInteger(openings.awayMs())).toBe(true)
})

test('nobody is kept away for long by those who were sent away and never came back', async () => {
  const openings = createOpenings(PER_SECOND)
  await come(openings, 10_000)
  expect(openings.awayMs()).toBe(120_000)
  for (let minute = 1; minute <= 5; minute += 1) {
    const got = await come(openings, 30)
    expect(got).toContain('away')
    for (let each = 0; each < 60; each += 1) {
      await after(1_000)
      leave(got)
    }
  }
  await come(openings, 30)
  expect(openings.awayMs()).toBeLessThan(10_000)
})

test('nobody waits longer for those that are under way and take for ever', async () => {
  const openings = createOpenings(100)
  const got = await come(openings, 20)
  expect(got).toHaveLength(4)
  await after(1_000)
  expect(got.slice(4)).toEqual(Array(16).fill('away'))
})

test('who is refused takes no turn away from anybody', async () => {
  const openings = createOpenings(PER_SECOND)
  const got: (Turn | 'away')[] = []
  for (let each = 0; each < 100; each += 1) {
    void openings.enter().then((turn) => got.push(turn ?? 'away'))
    await after(0)
    expect(leave(got, false)).toBe(1)
  }
  expect(await come(openings, FIRST)).toHaveLength(FIRST)
})

test('what nobody used is not kept for long', async () => {
  const openings = createOpenings(PER_SECOND)
  await after(60_000)
  expect(leave(await come(openings, 9))).toBe(FIRST)
})
