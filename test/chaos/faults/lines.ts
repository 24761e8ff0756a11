// Lines between any two parts that are slow, narrow, dead, dead in one direction, or cut.

import type { Fault } from '../fault.ts'
import type { Impairment, Line } from '../line.ts'
import type { Random } from '../random.ts'
import type { Stack } from '../stack.ts'

const KIB = 1024

const IMPAIRMENTS: Record<string, (random: Random) => Impairment> = {
  latency: (random) => ({ latencyMs: random.whole(20, 400) }),
  throttle: (random) => ({ bytesPerSecond: random.whole(16, 256) * KIB }),
  'black hole': () => ({ holds: 'both' }),
  'one way': (random) => ({ holds: random.pick(['up', 'down'] as const) }),
}

export const lineFaults: readonly Fault[] = [
  ...Object.entries(IMPAIRMENTS).map(([name, draw]) => impair(name, draw)),
  {
    name: 'reset a line',
    target: 'line',
    lastsMs: [0, 0],
    async inject(stack, random) {
      pickLine(stack, random).reset()
      return async () => undefined
    },
  },
]

function impair(what: string, draw: (random: Random) => Impairment): Fault {
  return {
    name: `${what} on a line`,
    target: 'line',
    lastsMs: [1_000, 8_000],
    weight: 3,
    async inject(stack, random) {
      const line = pickLine(stack, random)
      line.impair(draw(random))
      return async () => line.impair(undefined)
    },
  }
}

function pickLine({ lines }: Stack, random: Random): Line {
  return random.pick(lines)
}
