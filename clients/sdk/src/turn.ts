// A device lives in turns. Whatever happens (a frame, a send of the application, a handled message)
// is a step; all steps that are there make one turn: they change the state in memory and draft their
// changes of the storage, then one commit makes those durable, then what they owe the outside is
// done: frames sent, events emitted, promises kept. So nothing is acknowledged before it is durable,
// and a busy device commits once for many steps. No timer: an idle device commits at once.

import type { Change, Records, Storage, Table } from './storage.ts'

const STEPS_MAX = 128

/** The changes of one turn, and what it does once they are durable. */
export interface Turn {
  put<T extends Table>(table: T, key: string, value: Records[T] | undefined): void
  /** What the storage will hold after this turn, as drafted so far. */
  read<T extends Table>(table: T, key: string): Promise<Records[T] | undefined>
  after(effect: () => void): void
}

export type Step = (turn: Turn) => void | Promise<void>

export interface Turns {
  /** Takes part in the next turn; resolves when that is durable and its effects are done. */
  enter(step: Step): Promise<void>
  /** Ends with the turn in progress; later steps are refused with the same error. */
  stop(error: Error): void
}

interface Entered {
  readonly step: Step
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface TurnsOptions {
  readonly storage: Storage
  /** Done at the end of each turn, after its effects. */
  readonly settle: () => void
  /** A step or the commit failed: what is in memory cannot be trusted any more. */
  readonly fail: (error: unknown) => void
}

export function createTurns({ storage, settle, fail }: TurnsOptions): Turns {
  let waiting: Entered[] = []
  let isRunning = false
  let stopped: Error | undefined

  async function run(entered: readonly Entered[]): Promise<void> {
    const drafted = new Map<string, Change>()
    const effects: (() => void)[] = []
    const turn: Turn = {
      put: (table, key, value) => void drafted.set(`${table} ${key}`, { table, key, value }),
      read: async <T extends Table>(table: T, key: string) => {
        const draft = drafted.get(`${table} ${key}`)
        return draft ? (draft.value as Records[T] | undefined) : storage.read(table, key)
      },
      after: (effect) => void effects.push(effect),
    }
    for (const { step } of entered) await step(turn)
    if (stopped) throw stopped
    if (drafted.size > 0) await storage.commit([...drafted.values()])
    if (stopped) throw stopped
    for (const effect of effects) {
      effect()
      if (stopped) throw stopped
    }
    settle()
  }

  async function loop(): Promise<void> {
    isRunning = true
    while (waiting.length > 0 && !stopped) {
      const entered = waiting.slice(0, STEPS_MAX)
      waiting = waiting.slice(STEPS_MAX)
      try {
        await run(entered)
        for (const { resolve } of entered) resolve()
      } catch (error) {
        if (!stopped) fail(error)
        for (const { reject } of entered) reject(stopped ?? error)
      }
    }
    isRunning = false
  }

  return {
    enter(step) {
      if (stopped) return Promise.reject(stopped)
      return new Promise((resolve, reject) => {
        waiting.push({ step, resolve, reject })
        if (!isRunning) void loop()
      })
    },
    stop(error) {
      stopped ??= error
      for (const { reject } of waiting) reject(stopped)
      waiting = []
    },
  }
}
