// Goal: no message with a first tick is lost when the power of Postgres' machine fails, at whatever
// moment. And that the instrument would see it: what no flush has covered is lost with this disk,
// and so are messages that a Postgres ticks which does not wait for its disk.

import { closeSync, existsSync, fsyncSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openScope } from '@twotick/chassis'
import { expect, it } from 'vitest'
import { missingForDisk, openDisk } from '../chaos/disk.ts'
import { cutPowerRepeatedly } from '../chaos/power-cuts.ts'
import { sum } from '../chaos/witness.ts'

const SEED = Math.floor(Math.random() * 1_000_000)
const CLOSE_MS = 30_000

const lacking = await missingForDisk()
if (lacking !== undefined) console.warn(`SKIPPED: the power cut: ${lacking}`)

async function cutPower(rounds: number, { waitsForDisk = true } = {}) {
  const scope = openScope('power-cut', { drainMs: CLOSE_MS })
  try {
    return sum(await cutPowerRepeatedly({ rounds, seed: SEED, waitsForDisk }, scope))
  } finally {
    await scope.close()
  }
}

/** Writes two files, flushes one, and cuts the power: which of them are left? */
async function leftAfterCut(options: { flushes: boolean }) {
  const disk = await openDisk({ mib: 16, ...options })
  try {
    for (const name of ['flushed', 'written']) {
      const file = openSync(join(disk.folder, name), 'w')
      writeFileSync(file, name)
      if (name === 'flushed') fsyncSync(file)
      closeSync(file)
    }
    await disk.cutPower()
    await disk.powerOn()
    return ['flushed', 'written'].filter((name) => existsSync(join(disk.folder, name)))
  } finally {
    await disk.close()
  }
}

it.skipIf(lacking !== undefined)('the disk keeps what is flushed, and nothing else', async () => {
  expect(await leftAfterCut({ flushes: true })).toEqual(['flushed'])
  expect(await leftAfterCut({ flushes: false })).toEqual([])
})

it.skipIf(lacking !== undefined)(`power cuts lose nothing ticked (seed ${SEED})`, async () => {
  const verdict = await cutPower(3)
  expect(verdict.ticked).toBeGreaterThan(100)
  expect(verdict).toMatchObject({ lost: 0, twice: 0, outOfOrder: 0, forgotten: 0 })
})

it.skipIf(lacking !== undefined)(
  'what a power cut takes from a hasty Postgres is seen',
  async () => {
    const { lost, forgotten } = await cutPower(1, { waitsForDisk: false })
    expect(lost).toBeGreaterThan(0)
    expect(forgotten).toBeGreaterThan(0)
  },
)
