// A history: what happens to the relay and its devices, as a list of commands, made from a seed. Every
// second one follows a directed schedule, the others are random.

import { profileOf, type Profile } from './profile.ts'
import { createRandom, type Random } from './random.ts'
import { SCHEDULES } from './schedules.ts'

const WEIGHTS = {
  ...{
    flow: 34,
    arrive: 4,
    send: 12,
    tell: 4,
    cut: 3,
    dial: 3,
    crash: 4,
    fail: 2,
    refuse: 2,
    wait: 4,
  },
  ...{ leave: 2, come: 2, link: 1, unlink: 1, 'repeat-link': 1, lose: 3, double: 1, flush: 1 },
  ...{ 'drop-bus': 1, break: 2, stall: 3, release: 2, sweep: 1, expire: 2, copy: 1, restore: 1 },
  ...{ evict: 1, delete: 1, age: 1, 'kill-store': 1, 'kill-gateway': 1, 'break-database': 1 },
} as const

export type Doing = keyof typeof WEIGHTS

/** `who` and `n` mean what the command (world.ts) makes of them. */
export interface Command {
  readonly do: Doing
  readonly who: number
  readonly n: number
}

export interface History {
  readonly seed: number
  /** The schedule that it follows; `random` if none. */
  readonly name: string
  readonly profile: Profile
  readonly commands: readonly Command[]
}

const DECK = Object.entries(WEIGHTS).flatMap(([doing, weight]) =>
  Array.from({ length: weight }, () => doing as Doing),
)

export function historyOf(seed: number): History {
  const random = createRandom(seed)
  const schedule = seed % 2 === 0 ? SCHEDULES[(seed / 2) % SCHEDULES.length] : undefined
  const profile = { ...profileOf(seed), ...schedule?.profile }
  const commands = schedule ? directed(schedule.steps, random) : atRandom(random)
  return { seed, name: schedule?.name ?? 'random', profile, commands }
}

function atRandom(random: Random): Command[] {
  const length = 2 + random.below(14)
  return Array.from({ length }, () => ({
    ...{ do: random.pick(DECK), who: random.below(1000), n: random.below(24) },
  }))
}

/** In the order in which they joined; accounts in the order of their letters. */
const WHO: Readonly<Record<string, number>> = {
  a1: 0,
  b1: 1,
  b2: 2,
  b3: 3,
  a2: 3,
  c1: 3,
  a: 0,
  b: 1,
  c: 2,
}

function directed(steps: string, random: Random): Command[] {
  return steps.split(', ').map((step) => {
    const [doing = '', whom] = step.split(' ')
    const who = whom === undefined ? random.below(1000) : (WHO[whom] ?? Number.NaN)
    const named = doing === 'some' || doing === 'few' ? 'flow' : doing
    if (!(named in WEIGHTS) || Number.isNaN(who)) throw new Error(`no such step: ${step}`)
    return { do: named as Doing, who, n: random.below(doing === 'few' ? 8 : 24) }
  })
}
