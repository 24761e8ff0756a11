import { expect, test } from 'vitest'
import { createOpenings, type Turn } from './openings.ts'

const AT_ONCE = 4

/** As many as come in, with what each has got by now. */
function come(openings: ReturnType<typeof createOpenings>, count: number) {
  const got: (Turn | 'away')[] = []
  for (let each = 0; each < count; each += 1)
    void openings.enter().then((turn) => got.push(turn ?? 'away'))
  return got
}
const settled = () => new Promise((resolve) => setImmediate(resolve))

test('so many at once, the others in their order, each when one has left', async () => {
  const openings = createOpenings(AT_ONCE)
  const got = come(openings, 6)
  await settled()
  expect(got).toHaveLength(AT_ONCE)
  for (const turn of got.splice(0)) if (turn !== 'away') turn.leave(true)
  await settled()
  expect(got).toHaveLength(2)
})

test('who would wait too long is sent away at once, for longer the more there are', async () => {
  const openings = createOpenings(AT_ONCE)
  const few = openings.awayMs()
  const got = come(openings, 2_000)
  await settled()
  const away = got.filter((turn) => turn === 'away')
  expect(away.length).toBeGreaterThan(1_800)
  expect([few, openings.awayMs()]).toEqual([1_000, 10_000])
})

test('a place that was left is anybody’s again', async () => {
  const openings = createOpenings(1)
  for (let each = 0; each < 3; each += 1) {
    const turn = await openings.enter()
    turn?.leave(true)
    expect(turn).toBeDefined()
  }
})

test('openings that fail slowly send nobody away', async () => {
  const openings = createOpenings(AT_ONCE)
  for (let each = 0; each < 50; each += 1) {
    const turn = await openings.enter()
    await new Promise((resolve) => setTimeout(resolve, 5))
    turn?.leave(false)
  }
  const before = openings.awayMs()
  const got = come(openings, 40)
  await settled()
  expect(got).toHaveLength(AT_ONCE)
  expect(openings.awayMs()).toBe(before)
})
