// Goal: no message with a first tick is lost when the power of Postgres' machine fails, at whatever
// moment. And that the instrument would see it: a Postgres that does not wait for its disk, and a
// file system that does not flush it, lose ticked messages here.

import { openScope } from '@twotick/chassis'
import { expect, it } from 'vitest'
import { missingForDisk } from '../chaos/disk.ts'
import { type Control, cutPowerRepeatedly } from '../chaos/power-cuts.ts'
import { sum } from '../chaos/witness.ts'

const SEED = Math.floor(Math.random() * 1_000_000)
const CLOSE_MS = 30_000

const lacking = await missingForDisk()
if (lacking !== undefined) console.warn(`SKIPPED: the power cut: ${lacking}`)

async function cutPower(rounds: number, control: Control = 'none') {
  const scope = openScope('power-cut', { drainMs: CLOSE_MS })
  try {
    return sum(await cutPowerRepeatedly({ rounds, seed: SEED, control }, scope))
  } finally {
    await scope.close()
  }
}

it.skipIf(lacking !== undefined)(`five power cuts lose nothing ticked (seed ${SEED})`, async () => {
  const verdict = await cutPower(5)
  expect(verdict.ticked).toBeGreaterThan(500)
  expect(verdict).toMatchObject({ lost: 0, twice: 0, outOfOrder: 0, forgotten: 0 })
})

it.skipIf(lacking !== undefined).each(['synchronous_commit=off', 'no flush'] as const)(
  'what a power cut loses with %s is seen',
  async (control) => {
    const { lost, forgotten } = await cutPower(1, control)
    expect(lost).toBeGreaterThan(0)
    expect(forgotten).toBeGreaterThan(0)
  },
)
