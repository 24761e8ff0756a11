// `npm run neighbours`: what happens to one mailbox, or to thousands of devices at once, must not slow
// the others down. Their p99 from a send to its arrival, over a minute of each trouble, its first five
// seconds aside, is held against that of the quiet minute before: twice that at most.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openScope } from '@twotick/chassis'
import { readArguments, refuseArguments } from '../../scripts/arguments.ts'
import { openStack, postgresSetting } from '../chaos/stack.ts'
import { openPairs, type Pairs } from './pairs.ts'
import { TROUBLES } from './troubles.ts'

const PAIRS = 8
const EVERY_MS = 80
const ASIDE_MS = 5_000
const TIMES_MAX = 2
/** So that one is full soon. */
const SMALL_MAILBOXES = { 'envelope-store': { TWOTICK_MAILBOX_ENTRIES_MAX: '2000' } }

const { values } = readArguments('neighbours', {
  options: {
    seconds: { type: 'string', default: '60' },
    devices: { type: 'string', default: '5000' },
    only: { type: 'string' },
  },
})
const measuredMs = Number(values.seconds) * 1_000
const devices = Number(values.devices)
if (!(measuredMs > 0) || !(devices > 0)) {
  refuseArguments('neighbours', 'a number is not one')
}
const chosen = Object.entries(TROUBLES).filter(([name]) => name.includes(values.only ?? ''))
if (chosen.length === 0) {
  refuseArguments(
    'neighbours',
    `no trouble is named so; there are: ${Object.keys(TROUBLES).join(', ')}`,
  )
}

const scope = openScope('neighbours', { drainMs: 60_000 })
try {
  process.exitCode = (await measure()) ? 0 : 1
} finally {
  await scope.close()
}

async function measure(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'twotick-neighbours-'))
  scope.defer('folder', () => rmSync(folder, { recursive: true, force: true }))
  const setting = { folder, replicas: 2, postgres: postgresSetting(folder) }
  const stack = await openStack(
    { ...setting, env: {}, envOf: SMALL_MAILBOXES, isDirect: true },
    scope,
  )
  const pairs = await openPairs(stack.urls, PAIRS, EVERY_MS)
  scope.defer('pairs', () => pairs.stop())
  await sleep(ASIDE_MS)
  const quiet = await p99Of(pairs)
  const row = (name: string, p99: number, rest = '') =>
    console.log(`${name.padEnd(32)} ${p99.toFixed(1).padStart(8)} ms  ${rest}`)
  console.log('p99 of the neighbours, from a send to its arrival')
  row('quiet', quiet)
  let isGood = true
  for (const [name, begin] of chosen) {
    const end = await begin(stack, { devices })
    await sleep(ASIDE_MS)
    const p99 = await p99Of(pairs)
    const times = p99 / quiet
    const isWithin = times <= TIMES_MAX
    row(name, p99, `${isWithin ? '✓' : '✗'} ${times.toFixed(1)} times that of quiet`)
    isGood &&= isWithin
    await end()
    await sleep(ASIDE_MS)
    pairs.takeLatencies()
  }
  return isGood
}

async function p99Of(pairs: Pairs): Promise<number> {
  pairs.takeLatencies()
  await sleep(measuredMs)
  const latencies = pairs.takeLatencies().sort((a, b) => a - b)
  // What has not arrived at all is no quick one.
  const all = latencies.length + Math.max(0, pairs.waiting() - PAIRS)
  return latencies[Math.min(latencies.length - 1, Math.floor(all * 0.99))] ?? Infinity
}
