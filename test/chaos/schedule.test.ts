// Goal: a seed draws one schedule; at most two faults at once, never two of one target, all healed
// within the span.

import { expect, it } from 'vitest'
import type { Fault } from './fault.ts'
import { createRandom } from './random.ts'
import { planFaults } from './schedule.ts'

const SPAN_MS = 120_000

const faults = ['a', 'a', 'b', 'c'].map((target, index): Fault => {
  return { name: `${target}${index}`, target, lastsMs: [500, 8_000], inject: async () => heal }
})

async function heal(): Promise<void> {}

it('the same seed, the same schedule; another seed, another one', () => {
  const plan = (seed: number) => planFaults(faults, SPAN_MS, createRandom(seed))
  expect(plan(7)).toEqual(plan(7))
  expect(plan(7)).not.toEqual(plan(8))
})

it('two at once, of different targets, and within the span', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const planned = planFaults(faults, SPAN_MS, createRandom(seed))
    expect(planned.length).toBeGreaterThan(5)
    for (const one of planned) {
      expect(one.atMs + one.lastsMs).toBeLessThan(SPAN_MS)
      const others = planned.filter(
        (other) => other !== one && other.atMs <= one.atMs && other.atMs + other.lastsMs > one.atMs,
      )
      expect(others.length).toBeLessThan(2)
      expect(others.map(({ fault }) => fault.target)).not.toContain(one.fault.target)
    }
  }
})
