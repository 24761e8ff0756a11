// A seeded schedule of faults: which, when, for how long. The same seed and the same list of faults
// draw the same schedule. At most two are under way at once, never two of one target.

import type { Fault } from './fault.ts'
import type { Random } from './random.ts'

export interface Planned {
  readonly fault: Fault
  readonly atMs: number
  readonly lastsMs: number
}

const AT_ONCE_MAX = 2
const GAP_MS = [1_000, 6_000] as const
/** What inject and heal themselves take, about. */
const OVERHEAD_MS = 1_500
/** Of all faults, those that begin while another is under way. */
const TOGETHER = 0.3

/** Plans faults into `spanMs`; the last ones are healed by its end, about. */
export function planFaults(faults: readonly Fault[], spanMs: number, random: Random): Planned[] {
  const planned: Planned[] = []
  if (faults.length === 0) return planned
  const endOf = ({ atMs, lastsMs }: Planned) => atMs + lastsMs + OVERHEAD_MS
  let atMs = 0
  for (;;) {
    const current = planned.filter((each) => endOf(each) > atMs)
    const free = faults.filter(({ target }) =>
      current.every(({ fault }) => fault.target !== target),
    )
    const mayJoin =
      current.length === 0 || (current.length < AT_ONCE_MAX && random.chance(TOGETHER))
    if (!mayJoin || free.length === 0) {
      // Time to breathe: what is always broken shows nothing of how it recovers.
      atMs = Math.min(...current.map(endOf)) + random.whole(...GAP_MS)
      continue
    }
    const fault = pickByWeight(free, random)
    const one = { fault, atMs, lastsMs: random.whole(...fault.lastsMs) }
    if (endOf(one) > spanMs) return planned
    planned.push(one)
    atMs += random.whole(...GAP_MS)
  }
}

/** Each fault once, one at a time, with room between them to see how each recovers. */
export function planEach(faults: readonly Fault[], gapMs: number, random: Random): Planned[] {
  let atMs = 0
  return faults.map((fault) => {
    const planned = { fault, atMs, lastsMs: random.whole(...fault.lastsMs) }
    atMs += planned.lastsMs + OVERHEAD_MS + gapMs
    return planned
  })
}

function pickByWeight(faults: readonly Fault[], random: Random): Fault {
  const weights = faults.map(({ weight = 1 }) => weight)
  let left = random.next() * weights.reduce((sum, weight) => sum + weight, 0)
  const found = faults.find((_, index) => (left -= weights[index] ?? 0) < 0)
  return found ?? random.pick(faults)
}
