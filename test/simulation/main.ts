// `npm run simulate`: plays histories until the time or the number is up, over the cores; or one again.

import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { readArguments } from '../../scripts/arguments.ts'
import { add, averageOf, type Coverage } from './coverage.ts'
import { historyOf, type Command, type Doing, type History } from './history.ts'
import { play, shrink } from './play.ts'

const HELP = `npm run simulate [-- options]

Plays random histories of the whole relay (stores, gateways, devices, all of their own code) on a
simulated Postgres, network, bus, disk and clock, and checks what must always hold. One seed is one
history. The first that fails is made as short as it can be and printed with how to play it again.
At the end: the CPU of a history, and how often each thing happened in one, on average.

  --histories <n>    how many (default 100000)
  --seconds <n>      at most so long, of real time (default: no limit)
  --seed <n>         the first seed (default 1); without --histories that one alone
  --only <text>      only those whose name has it: a directed schedule's, or \`random\`
  --schedule <text>  instead of the seed's own commands: \`send:0:0 flow:3:20 …\`
  --workers <n>      processes (default: one for each core)
  --json             the outcome as one line, and nothing made short`

const realNow = process.hrtime.bigint.bind(process.hrtime)

interface Found {
  readonly played: number
  /** Of the processor, whatever else it did meanwhile. */
  readonly cpuMs: number
  readonly coverage: readonly (readonly [string, number])[]
  readonly seed: number | undefined
}

const { values } = readArguments('simulate', {
  options: {
    help: { type: 'boolean' },
    histories: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string', default: '' },
    schedule: { type: 'string' },
    workers: { type: 'string' },
    worker: { type: 'boolean' },
    json: { type: 'boolean' },
  },
})

if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const seed = Number(values.seed ?? 1)
const isOne = values.seed !== undefined && values.histories === undefined
const histories = isOne ? 1 : Number(values.histories ?? 100_000)
const seconds = Number(values.seconds ?? Infinity)
const workers = Math.min(histories, Number(values.workers ?? availableParallelism()))
if (![seed, histories, workers].every((each) => Number.isInteger(each)) || !(seconds > 0)) {
  console.error('a number is not one: see npm run simulate -- --help')
  process.exit(2)
}
process.exit(await run())

async function run(): Promise<number> {
  if (values.worker) {
    const found = await playFrom(seed, histories, workers)
    process.send?.(found)
    return found.seed === undefined ? 0 : 1
  }
  if (isOne) return playOne(historyFor(seed))
  const began = realNow()
  const found =
    workers === 1
      ? [await playFrom(seed, histories, 1)]
      : await Promise.all(Array.from({ length: workers }, (_, index) => startWorker(index)))
  const took = Number(realNow() - began) / 1e9
  const played = found.reduce((sum, one) => sum + one.played, 0)
  const failed = found.flatMap((one) => one.seed ?? []).sort((a, b) => a - b)[0]
  if (values.json) return tellOutcome(played, failed)
  const cpuMs = found.reduce((sum, one) => sum + one.cpuMs, 0)
  const each = (cpuMs / Math.max(1, played)).toFixed(2)
  console.log(`${played} histories in ${took.toFixed(1)} s (${each} ms of CPU each)`)
  const coverage: Coverage = new Map()
  for (const one of found) add(coverage, one.coverage)
  console.log(averageOf(coverage, Math.max(1, played)))
  if (failed === undefined) {
    console.log(
      'nothing lost, nothing twice, nothing out of order, no false tick, nothing left over',
    )
    return 0
  }
  return playOne(historyFor(failed))
}

/** For whoever runs this (test/mutants): no violation, or those of the first seed that fails. */
async function tellOutcome(histories: number, seed: number | undefined): Promise<number> {
  const { name } = historyOf(seed ?? 1)
  const violations = seed === undefined ? [] : await play(historyOf(seed))
  console.log(JSON.stringify({ histories, seed, name, violations }))
  return violations.length === 0 ? 0 : 1
}

function startWorker(index: number): Promise<Found> {
  const args = ['--worker', '--seed', String(seed + index), '--histories', String(histories)]
  const limits = ['--workers', String(workers), '--seconds', String(seconds), '--only', values.only]
  const child = fork(import.meta.filename, [...args, ...limits], {
    execArgv: [...process.execArgv, '--max-semi-space-size=32'],
  })
  return new Promise((resolve, reject) => {
    child.once('message', (found) => resolve(found as Found))
    child.once('exit', () => reject(new Error('a worker ended without a word')))
  })
}

/** Every `step`th seed. */
async function playFrom(first: number, count: number, step: number): Promise<Found> {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0 // many errors are made, and none is looked at before it is played again
  const coverage: Coverage = new Map()
  let failed: number | undefined
  const until = realNow() + BigInt(Math.round(Math.min(seconds, 1e6) * 1e9))
  let played = 0
  for (let at = first; at < first + count; at += step) {
    const history = historyOf(at)
    if (!history.name.includes(values.only)) continue
    played += 1
    if ((await play(history, coverage)).length > 0) failed = at
    if (failed !== undefined || realNow() > until) break
  }
  Error.stackTraceLimit = stackTraceLimit
  const { user, system } = process.cpuUsage()
  return { played, cpuMs: (user + system) / 1000, coverage: [...coverage], seed: failed }
}

function historyFor(at: number): History {
  if (values.schedule === undefined) return historyOf(at)
  const commands = values.schedule.split(' ').map((word): Command => {
    const [doing, who, n] = word.split(':')
    return { do: doing as Doing, who: Number(who), n: Number(n) }
  })
  return { ...historyOf(at), commands }
}

async function playOne(history: History): Promise<number> {
  if ((await play(history)).length === 0) {
    console.log(`seed ${history.seed}: all is well`)
    return 0
  }
  const short = values.schedule === undefined ? await shrink(history) : history
  const schedule = short.commands.map((command) => `${command.do}:${command.who}:${command.n}`)
  console.log(
    `\nFAILED seed ${history.seed} (${history.name}), ${schedule.length} commands of ${history.commands.length}:`,
  )
  for (const what of await play(short)) console.log(`  ${what}`)
  console.log(
    `play it again:\n  npm run simulate -- --seed ${history.seed} --schedule '${schedule.join(' ')}'`,
  )
  return 1
}
