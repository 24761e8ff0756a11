// From N to N+1 and back to N, under traffic: the migrations of N+1 first, then one replica after
// another, of all services and in any order, so that each runs beside both releases of each other.
// On the way back N runs on the schema of N+1. N is what the run has begun with, N+1 this checkout.

import { strict as assert } from 'node:assert'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { prepareDatabase, withDatabase } from '../../../scripts/servers/database.ts'
import type { Fault } from '../fault.ts'
import type { Random } from '../random.ts'
import { DATABASE, type Stack } from '../stack.ts'
import { startAnew } from './processes.ts'

const ROOT = join(import.meta.dirname, '../../..')
/** That a replica serves before the next one goes. */
const SERVES_MS = 1_000

export const rollingUpgrade: Fault = {
  name: 'rolling upgrade',
  target: 'services',
  lastsMs: [0, 0],
  weight: 0,
  startsBefore: true,
  async inject(stack, random) {
    const { checkout, postgres } = stack
    assert(checkout !== undefined)
    const isDistributed = stack.workers.length > 0
    await prepareDatabase(withDatabase(postgres.url, DATABASE), { isDistributed })
    await roll(stack, random, ROOT)
    await roll(stack, random, checkout)
    return async () => undefined
  },
}

async function roll({ replicas }: Stack, random: Random, checkout: string): Promise<void> {
  const order = replicas.map(({ process }) => ({ process, turn: random.next() }))
  for (const { process } of order.sort((a, b) => a.turn - b.turn)) {
    process.runFrom(checkout)
    await startAnew(process)
    await sleep(SERVES_MS)
  }
}
