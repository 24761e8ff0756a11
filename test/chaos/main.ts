// `npm run chaos`: one run, its verdict, its report; or one after another. Exit code 0: green; 1: red;
// 2: no verdict.

import { appendFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openScope } from '@twotick/chassis'
import { readArguments, refuseArguments } from '../../scripts/arguments.ts'
import { commitOf, releaseBefore } from '../../scripts/release-before.ts'
import { citusPrograms } from '../../scripts/servers/citus.ts'
import { judge } from '../ledger/verdict.ts'
import { chooseFaults } from './choose.ts'
import { FAULTS } from './faults/index.ts'
import { readHistories } from './histories.ts'
import { createProgress } from './progress.ts'
import { toHtml } from './report/html.ts'
import { timelineOf } from './report/timeline.ts'
import { faultTable } from './report/tables.ts'
import { commitHere, printVerdict, toLine } from './result.ts'
import { makeRunFolder, runChaos, type RunOptions } from './run.ts'
import { parseSeeds, runSeeds } from './seeds.ts'

const OPTIONS = {
  seed: { type: 'string', default: String(Math.floor(Math.random() * 10_000)) },
  seeds: { type: 'string' },
  minutes: { type: 'string', default: '3' },
  rate: { type: 'string', default: '600' },
  accounts: { type: 'string', default: '60' },
  crashers: { type: 'string', default: '4' },
  unruly: { type: 'string', default: '3' },
  replicas: { type: 'string', default: '2' },
  faults: { type: 'string' },
  json: { type: 'string' },
  table: { type: 'string' },
  report: { type: 'string' },
  churn: { type: 'boolean', default: true },
  each: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
  judge: { type: 'string' },
  list: { type: 'boolean', default: false },
  citus: { type: 'boolean', default: false },
  base: { type: 'string' },
} as const

const { values } = readArguments('chaos', { options: OPTIONS, allowNegative: true })

if (values.list) listFaults()
else if (values.judge !== undefined) process.exitCode = judgeAgain(values.judge)
else {
  // Not by running out of work: what a fault has left behind does not hold back a run that has its
  // verdict, and where a request of it was never completed, Node's own cleanup spins for ever
  // (Environment::CleanupHandles, v24).
  process.exit(await (values.seeds === undefined ? main() : seedsOf(values.seeds)))
}

function listFaults(): void {
  for (const { name, weight } of FAULTS) {
    console.log(weight === 0 ? `${name}   (where it is named)` : name)
  }
}

function seedsOf(text: string): Promise<number> {
  const seeds = parseSeeds(text)
  if (seeds === undefined)
    return refuseArguments('chaos', `--seeds ${text}: expected two numbers, as in 1-20`)
  const json = values.json ?? 'chaos.jsonl'
  const table = values.table ?? json.replace(/(\.jsonl)?$/, '.md')
  const passed = process.argv.slice(2)
  for (const name of ['--seeds', '--json', '--table', '--report']) {
    const at = passed.findIndex((arg) => arg === name || arg.startsWith(`${name}=`))
    if (at >= 0) passed.splice(at, passed[at] === name ? 2 : 1)
  }
  return runSeeds({ seeds, args: passed, json, table })
}

async function main(): Promise<number> {
  const { faults, notes } = await chooseFaults(values.faults).catch((error: Error) =>
    refuseArguments('chaos', error.message),
  )
  const rollsBack = faults.some((fault) => fault.rollsBack)
  const options: RunOptions = {
    seed: number('seed', 0),
    minutes: number('minutes', 0.5),
    messagesPerSecond: number('rate', 1),
    accounts: number('accounts', 6),
    crashers: number('crashers', 0),
    churns: values.churn && !rollsBack,
    unruly: rollsBack ? 0 : number('unruly', 0),
    replicas: number('replicas', 1),
    faults,
    isEach: values.each,
    citus: values.citus ? requireCitus() : undefined,
    base: faults.some((fault) => fault.startsBefore) ? requireBase() : undefined,
    env: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => name.startsWith('TWOTICK_MUTANT')),
    ),
  }
  const progress = createProgress(process.stdout)
  for (const note of notes) progress.say(note)
  if (options.base) progress.say(`the release before is ${options.base}`)
  if (rollsBack) progress.say('with a restore: nobody comes and goes, nobody breaks the protocol')
  const folder = makeRunFolder()
  const scope = openScope('chaos', { drainMs: 60_000 })
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => stopping.abort(new Error('stopped before the end')))
  }
  try {
    await runChaos(options, { folder, scope, progress, signal: stopping.signal })
  } catch (error) {
    const why = stopping.signal.aborted ? 'stopped before the end' : error
    console.error('no verdict:', why, `\nlogs and histories: ${folder.path}`)
    return 2
  } finally {
    await scope.close().catch((error: unknown) => console.error(error))
  }
  progress.say('reading the histories')
  const histories = readHistories(folder.histories)
  const verdict = judge(histories)
  const replay = replayCommand(options)
  printVerdict(verdict, { replay, folder: folder.path })
  const report = values.report ?? join(tmpdir(), `twotick-chaos-${options.seed}.html`)
  const about = { ...options, commit: commitHere(), replay }
  const timeline = timelineOf(histories)
  writeFileSync(report, toHtml(verdict, timeline, about))
  console.log(`        report: ${report}`)
  const line = toLine(verdict, timeline, options)
  if (values.json !== undefined) appendFileSync(values.json, `${JSON.stringify(line)}\n`)
  if (values.each) console.log(`\n${faultTable([line])}`)
  if (values.each && values.table) writeFileSync(values.table, `${faultTable([line])}\n`)
  if (verdict.isGreen && !values.keep) folder.remove()
  return verdict.isGreen ? 0 : 1
}

/** The verdict once more over the histories that a run has left. */
function judgeAgain(folder: string): number {
  const verdict = judge(readHistories(join(folder, 'histories')))
  printVerdict(verdict, { replay: `npm run chaos -- --judge ${folder}`, folder })
  return verdict.isGreen ? 0 : 1
}

/** With every option that is not as it is by default. */
function replayCommand({ seed, minutes, isEach }: RunOptions): string {
  const names = ['rate', 'accounts', 'crashers', 'unruly', 'replicas', 'faults', 'base'] as const
  const others = names.flatMap((name) => {
    const value = values[name]
    const usual = 'default' in OPTIONS[name] ? OPTIONS[name].default : undefined
    if (value === undefined || value === usual) return []
    return [/[ *]/.test(value) ? ` --${name} '${value}'` : ` --${name} ${value}`]
  })
  const switches = { '--no-churn': !values.churn, '--each': isEach, '--citus': values.citus }
  const flags = Object.entries(switches).flatMap(([flag, isOn]) => (isOn ? [` ${flag}`] : []))
  return `npm run chaos -- --seed ${seed} --minutes ${minutes}${[...others, ...flags].join('')}`
}

function requireCitus(): string {
  return (
    citusPrograms() ??
    refuseArguments(
      'chaos',
      '--citus: no Postgres with Citus is installed here, nor named by TWOTICK_TEST_CITUS',
    )
  )
}

function requireBase(): string {
  const named = values.base
  const base = named === undefined ? releaseBefore() : commitOf(named)
  const why = named === undefined ? 'no release before this one' : `no commit ${named}`
  return base ?? refuseArguments('chaos', `${why} is in the history here: --base names one`)
}

function number(
  name: 'seed' | 'minutes' | 'rate' | 'accounts' | 'crashers' | 'unruly' | 'replicas',
  min: number,
) {
  const value = Number(values[name])
  if (Number.isFinite(value) && value >= min) return value
  return refuseArguments('chaos', `--${name} ${values[name]}: expected a number of at least ${min}`)
}
