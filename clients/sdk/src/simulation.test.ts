// Goal of all: design §4 and §5 from end to end, for any interleaving of sends, lost connections,
// crashes, refusals, expiries, failures and rollbacks; then peace, and a look at what everybody has.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BOB, createWorld, type Command, type World } from '../test/simulation.ts'

const anyHistory = (extra: readonly Command['do'][]) => {
  const base = ['send', 'send', 'connect', 'drop', 'crash', 'mute'] as const
  const flow = ['up', 'flow', 'flow', 'flow'] as const
  const one = fc.record({ do: fc.constantFrom(...base, ...flow, ...extra), who: fc.nat(30) })
  return fc.array(one, { minLength: 10, maxLength: 50 })
}

/** What holds at the end, whatever happened. */
function check({ devices }: World): void {
  const [alice, ...bobs] = devices
  expect(devices.some(({ state }) => state.isForked)).toBe(false)
  for (const { effects } of bobs) expect(effects).toEqual([...new Set(effects)])
  const has = (no: number) => bobs.filter(({ effects }) => isIn(effects, no)).length
  for (const message of alice!.messages()) {
    const { no, rejection, reach } = message
    const outcome = rejection ? 'rejected' : reach[BOB]?.at
    expect(['rejected', 'delivered', 'closed'], `message ${no}`).toContain(outcome)
    if (outcome === 'delivered') expect(has(no)).toBeGreaterThan(0)
    if (rejection && !rejection.maybeStored) expect(has(no)).toBe(0)
  }
}

function isIn(effects: readonly string[], no: number): boolean {
  return effects.some((effect) => effect.startsWith(`1:${no}:`))
}

function numbers(effects: readonly string[]): number[] {
  return effects.map((effect) => Number(effect.split(':')[1]))
}

async function play(history: readonly Command[]): Promise<World> {
  const world = await createWorld()
  for (const command of history) await world.run(command)
  await world.finish()
  return world
}

describe('devices and the model relay', () => {
  test('lost connections, crashes and refusals: each message once, in order, with its ticks', async () => {
    // Goal: design §4 and §5 from end to end, for any interleaving.
    await fc.assert(
      fc.asyncProperty(anyHistory(['refuse']), async (history) => {
        const world = await play(history)
        check(world)
        const [alice, ...bobs] = world.devices
        const messages = alice!.messages()
        const accepted = messages.filter(({ rejection }) => !rejection).map(({ no }) => no)
        for (const { effects } of bobs) expect(numbers(effects)).toEqual(accepted)
      }),
      { numRuns: 200 },
    )
  })

  test('with expiries and failures too: nobody waits for ever', async () => {
    // Goal: a second tick, a closing notice or a rejection for each message.
    await fc.assert(
      fc.asyncProperty(anyHistory(['refuse', 'expire', 'fail']), async (history) =>
        check(await play(history)),
      ),
      { numRuns: 200 },
    )
  })

  test('what a device could not process comes to it again, once, as the original', async () => {
    // Goal: design §5 Failure; a device that failed once has everything in the end.
    await fc.assert(
      fc.asyncProperty(anyHistory(['fail', 'fail', 'fail']), async (history) => {
        const world = await play(history)
        check(world)
        const [alice, ...bobs] = world.devices
        const messages = alice!.messages()
        const accepted = messages.filter(({ rejection }) => !rejection).map(({ no }) => no)
        for (const { effects, failures } of bobs) {
          if (failures.length > 1) continue
          expect(numbers(effects).toSorted((one, other) => one - other)).toEqual(accepted)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('what is sent again to one device is not delivered by another', async () => {
    // Goal: both fail the message and then what comes again; an empty part is no second tick.
    const bothFail = [1, 2].map((who) => ({ do: 'fail', who }) as const)
    const flow = (times: number) => ({ do: 'flow', who: times - 1 }) as const
    const send = { do: 'send', who: 0 } as const
    const history = [send, ...bothFail, flow(4), ...bothFail, flow(12)]
    const world = await play(history)
    expect(world.devices.map(({ failures }) => failures)).toEqual([[], [1, 2], [1, 3]])
    check(world)
  })

  test('with rollbacks too: what the store forgot is sent again, and applied once', async () => {
    // Goal: design §4 Rollback.
    await fc.assert(
      fc.asyncProperty(anyHistory(['refuse', 'copy', 'rollback']), async (history) =>
        check(await play(history)),
      ),
      { numRuns: 200 },
    )
  })
})
