// `npm run soak`: accounts and devices come and go under traffic for a while, and nothing grows. Then a
// transaction is held open on Postgres, so that nothing is vacuumed: at its end as many messages must
// come through as fresh, or nearly.

import { mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openScope } from '@twotick/chassis'
import { account, many, receive } from '../../bench/accounts.ts'
import { createFigures, type Figures } from '../../bench/figures.ts'
import { endedSessions, toAccount } from '../../bench/load-device.ts'
import { startLoops } from '../../bench/perform.ts'
import { openSender, type Sender } from '../../bench/sender.ts'
import { readArguments } from '../../scripts/arguments.ts'
import { holdTransaction } from '../chaos/faults/transactions.ts'
import { openFleet } from '../chaos/fleet.ts'
import { createProgress } from '../chaos/progress.ts'
import { createRandom } from '../chaos/random.ts'
import { makeRunFolder } from '../chaos/run.ts'
import { openStack, postgresSetting, type Stack } from '../chaos/stack.ts'
import { type Sample, sample, trendsOf } from './gauges.ts'
import { INSPECTED } from './live-memory.ts'

/** A third of them must make a median. */
const SAMPLES_MIN = 9
const PAIRS = 32
const OUTSTANDING = 8
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
  const setting = { folder: folder.path, replicas: 2, env: INSPECTED }
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
  const count = Math.max(SAMPLES_MIN, Math.round(2 * minutes))
  for (let taken = 0; taken < count; taken++) {
    const [one] = await Promise.all([sample(stack), sleep((minutes * 60_000) / count)])
    samples.push(one)
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
  const figures = createFigures()
  const senders = await many(PAIRS, (index) => openPair(stack.url, index, figures))
  startLoops(senders, { outstanding: OUTSTANDING, warmUpMs: WARM_MS })
  const measureMs = Math.min(20_000, holdMinutes * 20_000)
  const perSecond = async () => {
    const before = figures.total()
    await sleep(measureMs)
    return ((figures.total() - before) * 1_000) / measureMs
  }
  await sleep(Math.min(WARM_MS, measureMs))
  const fresh = await perSecond()
  const end = await holdTransaction(stack)
  progress.say('a transaction is held open')
  let held = fresh
  for (let leftMs = holdMinutes * 60_000; leftMs > 0; leftMs -= measureMs) {
    held = await perSecond()
    progress.say(`${held.toFixed(0)} messages a second; ${fresh.toFixed(0)} fresh`)
  }
  await end()
  const kept = held / fresh
  const isKept = kept >= KEPT_MIN
  const sign = isKept ? '✓' : '✗'
  console.log(
    `\n  ${sign} ${fresh.toFixed(0)} messages a second fresh, ${held.toFixed(0)} after ` +
      `${holdMinutes} min under a transaction held open: ${(kept * 100).toFixed(0)} %`,
  )
  for (const reason of endedSessions()) console.log(`    a session was ended: ${reason}`)
  return isKept
}

/** One that sends, and one that takes it at once: both ticks, and nothing of it left. */
async function openPair(url: string, index: number, figures: Figures): Promise<Sender> {
  const target = { url, token: '' }
  const from = await account(target, `soak-a${index}`)
  const to = await account(target, `soak-b${index}`)
  const [sending, receiving] = [from.devices[0], to.devices[0]]
  if (sending === undefined || receiving === undefined) throw new Error('no device')
  await receive(target, receiving)
  return openSender(target, sending, {
    ...{ to: toAccount(to.accountId), payloadBytes: 512, figures, recipients: 1 },
    onDelivered(sender) {
      figures.done()
      sender.send()
    },
  })
}
