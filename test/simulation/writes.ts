// A gateway's stream of appends and acks to the stores. It keeps its order until it breaks: then what
// has no answer is unknown to the gateway, and what was under way may arrive later all the same.

import type { Epochs } from '../../services/gateway/src/epoch.ts'
import type { Outcome, Writes } from '../../services/gateway/src/writes.ts'
import type { Store } from '../../services/envelope-store/src/store.ts'
import type { Written } from '../../services/envelope-store/src/outcome.ts'
import type { Process } from './calls.ts'
import type { Lanes } from './lanes.ts'

const DEADLINE_MS = 1_900
const UNKNOWN: Outcome = { $case: 'unknown', value: { retryAfterMs: 100 } }

type StoreProcess = Process & { readonly store: Store }

export interface WritesOptions {
  readonly lanes: Lanes
  readonly caller: Process
  readonly stores: readonly StoreProcess[]
  readonly epochs: Epochs
}

export interface SimulatedWrites extends Writes {
  /** The stream breaks. */
  lose(): void
  /** A store is gone. */
  lost(store: Process): void
}

interface Waiting {
  at: Process | undefined
  settle(outcome: Outcome): void
}

export function createWrites({ lanes, caller, stores, epochs }: WritesOptions): SimulatedWrites {
  const waiting = new Set<Waiting>()
  let streams = 0

  function write(submit: (store: Store) => Promise<Written>): Promise<Outcome> {
    const stream = `${caller.name} ${streams}`
    return new Promise((resolve) => {
      const timer = setTimeout(() => one.settle(UNKNOWN), DEADLINE_MS)
      const one: Waiting = {
        at: undefined,
        settle(outcome) {
          clearTimeout(timer)
          if (waiting.delete(one) && caller.isAlive) resolve(outcome)
        },
      }
      waiting.add(one)
      lanes.add(`writes ${stream}`, () => arrive(stream, one, submit))
    })
  }

  function arrive(stream: string, one: Waiting, submit: (store: Store) => Promise<Written>): void {
    const process = stores[(streams + caller.name.length) % stores.length]!
    one.at = process
    void submit(process.store).then(({ epoch, outcome }) => {
      if (!process.isAlive) return
      lanes.add(`verdicts ${stream}`, () => {
        if (waiting.has(one) && caller.isAlive) epochs.meet(epoch)
        one.settle(outcome)
      })
    })
  }

  function lose(): void {
    streams += 1
    for (const one of [...waiting]) one.settle(UNKNOWN)
  }

  return {
    append: (epoch, append) => write((store) => store.append(epoch, append)),
    ack: (epoch, ack) => write((store) => store.ack(epoch, ack)),
    close: () => undefined,
    lose,
    lost(store) {
      for (const one of [...waiting]) if (one.at === store) one.settle(UNKNOWN)
    },
  }
}
