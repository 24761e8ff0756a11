// `npm run soak`: accounts and devices come and go under traffic for a while, and nothing grows. Then a
// transaction is held open on Postgres, so that nothing is vacuumed: at its end as many messages must
// come through as fresh, or nearly.

import { mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openScope } from '@twotick/chassis'
import { readArguments } from '../../scripts/arguments.ts'
import { holdTransaction } from '../chaos/faults/transactions.ts'
import { openFleet } from '../chaos/fleet.ts'
import { createProgress } from '../chaos/progress.ts'
import { createRandom } from '../chaos/random.ts'
import { makeRunFolder } from '../chaos/run.ts'
import { openStack, postgresSetting, type Stack } from '../chaos/stack.ts'
import { openWitness } from '../chaos/witness.ts'
import { type Sample, sample, trendsOf } from './gauges.ts'

const SAMPLES = 60
const WITNESSES = 4
const WARM_MS = 30_000
const KEPT_MIN = 0.8

const { values } = readArguments('soak', {
  options: {
    minutes: { type: 'string', default: '5' },
    'hold-minutes': { type: 'string', default: '2' },
    rate: { type: 'string', default: '200' },
  },
})
const [minutes, holdMinutes, rate] = [values.minutes, values['hold-minutes'], values.rate].map(
  Number,
) as [number, number, number]
if (!(minutes >= 0) || !(holdMinutes >= 0) || !(rate > 0)) {
  console.error('a number is not one: see npm run soak -- --help')
  process.exit(2)
}

const scope = openScope('soak', { drainMs: 60_000 })
const progress = createProgress(process.stdout)
try {
  const folder = makeRunFolder()
  scope.defer('folder', () => folder.remove())
  const setting = { folder: folder.path, replicas: 2, env: {} }
  const stack = await openStack({ ...setting, postgres: postgresSetting(folder.path) }, scope)
  const isFlat = minutes === 0 || (await churn(stack, folder))
  const isKept = holdMinutes === 0 || (await holdOpen(stack))
  process.exitCode = isFlat && isKept ? 0 : 1
} finally {
  await scope.close()
}

async function churn(stack: Stack, folder: ReturnType<typeof makeRunFolder>): Promise<boolean> {
  const { histories, storages } = folder
  mkdirSync(histories, { recursive: true })
  const fleet = await openFleet(
    {
      ...{ place: { url: stack.url, storages, histories }, seed: 1, accounts: 30, crashers: 0 },
      ...{ messagesPerSecond: rate, churns: true, unruly: 2 },
    },
    createRandom(1),
    scope,
  )
  const stopWatching = progress.watch(fleet)
  fleet.send()
  progress.say('churn')
  await sleep(Math.min(WARM_MS, minutes * 20_000))
  const samples: Sample[] = []
  for (let taken = 0; taken < SAMPLES; taken++) {
    samples.push(await sample(stack))
    await sleep((minutes * 60_000) / SAMPLES)
  }
  const { stored } = fleet.figures()
  await fleet.quieten()
  await fleet.finish()
  stopWatching()
  console.log(`\n  ${stored.toLocaleString('en')} messages ticked; first and last third\n`)
  const trends = trendsOf(samples)
  for (const { name, first, last, isFlat } of trends) {
    const figures = [first, last].map((value) => value.toFixed(1).padStart(9)).join(' ')
    console.log(`  ${isFlat ? '✓' : '✗'} ${name.padEnd(36)}${figures}`)
  }
  return trends.every((trend) => trend.isFlat)
}

async function holdOpen(stack: Stack): Promise<boolean> {
  progress.say('a transaction is held open')
  const witnesses = await Promise.all(
    Array.from({ length: WITNESSES }, (_, number) => openWitness(stack.url, `soak-${number}`)),
  )
  for (const witness of witnesses) witness.start()
  const ticked = () => witnesses.reduce((sum, witness) => sum + witness.ticked(), 0)
  const measureMs = Math.min(20_000, holdMinutes * 20_000)
  const perSecond = async () => {
    const before = ticked()
    await sleep(measureMs)
    return ((ticked() - before) * 1_000) / measureMs
  }
  await sleep(5_000)
  const fresh = await perSecond()
  const end = await holdTransaction(stack)
  await sleep(Math.max(0, holdMinutes * 60_000 - measureMs))
  const held = await perSecond()
  await end()
  await Promise.all(witnesses.map((witness) => witness.stop()))
  const kept = held / fresh
  const isKept = kept >= KEPT_MIN
  const sign = isKept ? '✓' : '✗'
  console.log(
    `\n  ${sign} ${fresh.toFixed(0)} first ticks a second fresh, ${held.toFixed(0)} after ` +
      `${holdMinutes} min under a transaction held open: ${(kept * 100).toFixed(0)} %`,
  )
  return isKept
}
