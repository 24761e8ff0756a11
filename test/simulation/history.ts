// A history: what happens to the relay and its devices, as a list of commands, made from a seed.

import { profileOf, type Profile } from './profile.ts'
import { createRandom } from './random.ts'

const WEIGHTS = {
  ...{ flow: 34, send: 14, cut: 3, dial: 3, crash: 4, fail: 2, refuse: 2, wait: 4 },
  ...{ link: 1, unlink: 1, lose: 3, double: 1, 'drop-bus': 1, flush: 1, break: 2, sweep: 1 },
  ...{ 'kill-store': 1, 'kill-gateway': 1, 'break-database': 1, expire: 2, copy: 1, restore: 1 },
} as const

export type Doing = keyof typeof WEIGHTS

export interface Command {
  readonly do: Doing
  readonly who: number
  readonly n: number
}

export interface History {
  readonly seed: number
  readonly profile: Profile
  readonly commands: readonly Command[]
}

const DECK = Object.entries(WEIGHTS).flatMap(([doing, weight]) =>
  Array.from({ length: weight }, () => doing as Doing),
)

export function historyOf(seed: number): History {
  const random = createRandom(seed)
  const length = 6 + random.below(20)
  const commands = Array.from({ length }, () => ({
    ...{ do: random.pick(DECK), who: random.below(1000), n: random.below(24) },
  }))
  return { seed, profile: profileOf(seed), commands }
}
