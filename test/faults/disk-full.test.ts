// Goal: a full disk under Postgres costs nothing but time. While it lasts sends have no first tick,
// or one that holds; no send is rejected for good; and once there is room again, everyone goes on.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openScope } from '@twotick/chassis'
import { expect, it } from 'vitest'
import { missingForDisk } from '../chaos/disk.ts'
import { diskFull } from '../chaos/faults/disk.ts'
import { createRandom } from '../chaos/random.ts'
import { openStack, postgresSetting } from '../chaos/stack.ts'
import { openWitness, sum } from '../chaos/witness.ts'
import { waitFor } from '../wait.ts'

const PAIRS = 4
const FULL_MS = 5_000
const HEALED_MS = 60_000

const lacking = await missingForDisk()
if (lacking !== undefined) console.warn(`SKIPPED: the full disk: ${lacking}`)

it.skipIf(lacking !== undefined)('what is ticked around a full disk is kept', async () => {
  const scope = openScope('disk-full', { drainMs: 30_000 })
  try {
    const folder = mkdtempSync(join(tmpdir(), 'twotick-full-'))
    scope.defer('folder', () => rmSync(folder, { recursive: true, force: true }))
    const postgres = postgresSetting(folder)
    await diskFull.prepare?.(postgres, scope)
    const stack = await openStack({ folder, replicas: 1, postgres, env: {} }, scope)
    const witnesses = await Promise.all(
      Array.from({ length: PAIRS }, (_, number) => openWitness(stack.url, `pair${number}`)),
    )
    const everyTick = async () => {
      const since = performance.now()
      await waitFor(() => witnesses.every((witness) => witness.lastTickAt() > since), {
        what: 'a first tick of everyone',
        deadlineMs: HEALED_MS,
      })
    }
    witnesses.forEach((witness) => witness.start())
    await everyTick()
    const heal = await diskFull.inject(stack, createRandom(1))
    await sleep(FULL_MS)
    // Rooms are found where rows were, for a while: what cannot go on is a table that must grow.
    await expect(stack.sql('create table grows as select generate_series(1, 5000000)'))
      .rejects //
      .toThrow()
    await heal()
    await everyTick()
    await Promise.all(witnesses.map((witness) => witness.stop()))
    const verdict = sum(await Promise.all(witnesses.map((witness) => witness.collect())))
    expect(verdict.ticked).toBeGreaterThan(0)
    expect(verdict).toMatchObject({ lost: 0, twice: 0, outOfOrder: 0, forgotten: 0 })
    expect(witnesses.map((witness) => witness.rejected())).toEqual(witnesses.map(() => 0))
  } finally {
    await scope.close()
  }
})
