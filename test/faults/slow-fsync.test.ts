// Goal: the first tick waits for the disk. With every flush 100 ms slower its median rises by at
// least that much; and with a Postgres that does not wait for its disk it does not, so that a tick
// that came before the flush would be seen here.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openScope } from '@twotick/chassis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { prepareSlowFlush, slowDown } from '../chaos/faults/slow-flush.ts'
import { openStack, postgresSetting, type Stack } from '../chaos/stack.ts'
import { openWitness, type Witness } from '../chaos/witness.ts'
import { waitFor } from '../wait.ts'

const DELAY_MS = 100
const PAIRS = 4
const TICKS = 200

const scope = openScope('slow-fsync', { drainMs: 30_000 })
let stack: Stack
let witnesses: Witness[]

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'twotick-fsync-'))
  scope.defer('folder', () => rmSync(folder, { recursive: true, force: true }))
  const postgres = postgresSetting(folder)
  await prepareSlowFlush(postgres, scope)
  stack = await openStack({ folder, replicas: 1, postgres, env: {} }, scope)
  witnesses = await Promise.all(
    Array.from({ length: PAIRS }, (_, number) => openWitness(stack.url, `pair${number}`)),
  )
})
afterAll(() => scope.close())

/** Of first ticks, in ms, with flushes that take this much longer. */
async function medianWith(delayMs: number): Promise<number> {
  await slowDown(stack, delayMs)
  const latencies: number[] = []
  witnesses.forEach((witness) => witness.start())
  try {
    await waitFor(
      () => {
        latencies.push(...witnesses.flatMap((witness) => witness.takeLatencies()))
        return latencies.length >= TICKS
      },
      { what: `${TICKS} first ticks`, deadlineMs: 60_000 },
    )
  } finally {
    await Promise.all(witnesses.map((witness) => witness.stop()))
    await slowDown(stack, 0)
  }
  return latencies.sort((a, b) => a - b)[Math.floor(latencies.length / 2)] ?? 0
}

it('the first tick waits for the flush', async () => {
  // Before it code is cold, and either time the machine may have been busy.
  const coldMs = await medianWith(0)
  const slowMs = await medianWith(DELAY_MS)
  const quickMs = Math.min(coldMs, await medianWith(0))
  console.log(`first tick, median: ${quickMs.toFixed(1)} ms; slow: ${slowMs.toFixed(1)} ms`)
  expect(slowMs - quickMs).toBeGreaterThanOrEqual(DELAY_MS)
  for (const witness of witnesses) {
    expect(await witness.collect()).toMatchObject({
      lost: 0,
      twice: 0,
      outOfOrder: 0,
      forgotten: 0,
    })
  }
})

it('a tick that does not wait would be seen', async () => {
  await stack.sql('alter role twotick_store set synchronous_commit = off')
  await stack.sql(`select pg_terminate_backend(pid) from pg_stat_activity
                    where usename = 'twotick_store'`)
  const quickMs = await medianWith(0)
  // One that waits is late each time; the machine may have been busy in one of them.
  const slowMs = Math.min(await medianWith(DELAY_MS), await medianWith(DELAY_MS))
  expect(slowMs - quickMs).toBeLessThan(DELAY_MS)
})
