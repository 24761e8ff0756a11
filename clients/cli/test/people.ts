// A relay for the tests of one file, and machines with people on them.

import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { type Relay, type RelayOptions, startRelay } from '../../../test/relay.ts'
import { createMachine, type Machine } from './cli.ts'

export function usePeople(options: RelayOptions = {}) {
  let relay: Relay
  const machines: Machine[] = []

  beforeAll(async () => {
    relay = await startRelay(options)
  })

  afterEach(() => {
    for (const made of machines.splice(0)) made.remove()
  })

  afterAll(() => relay?.stop())

  function newMachine(): Machine {
    const made = createMachine(relay.url)
    machines.push(made)
    return made
  }

  /** Two people on one machine, under handles that no other test has. */
  async function twoPeople(suffix: string) {
    const machine = newMachine()
    const people = { alice: `alice-${suffix}`, bob: `bob-${suffix}` }
    for (const handle of Object.values(people)) {
      expect(await machine.run('register', handle)).toMatchObject({ code: 0 })
    }
    return { machine, ...people }
  }

  return { newMachine, twoPeople, relayUrl: () => relay.url }
}
