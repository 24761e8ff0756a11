// `npm run chaos`: one run, its verdict, its report. Exit code 0: green; 1: red; 2: no verdict.

import { appendFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openScope } from '@twotick/chassis'
import { judge } from '../ledger/verdict.ts'
import { chooseFaults } from './choose.ts'
import { FAULTS } from './faults/index.ts'
import { readHistories } from './histories.ts'
import { createProgress } from './progress.ts'
import { toHtml } from './report/html.ts'
import { timelineOf } from './report/timeline.ts'
import { commitHere, printVerdict, toJsonLine } from './result.ts'
import { makeRunFolder, runChaos, type RunOptions } from './run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 10_000)) },
    minutes: { type: 'string', default: '3' },
    rate: { type: 'string', default: '600' },
    accounts: { type: 'string', default: '60' },
    crashers: { type: 'string', default: '4' },
    unruly: { type: 'string', default: '3' },
    replicas: { type: 'string', default: '2' },
    faults: { type: 'string' },
    json: { type: 'string' },
    report: { type: 'string' },
    churn: { type: 'boolean', default: true },
    each: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    judge: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
  allowNegative: true,
})

if (values.list) for (const { name } of FAULTS) console.log(name)
else if (values.judge !== undefined) process.exitCode = judgeAgain(values.judge)
else process.exitCode = await main()

async function main(): Promise<number> {
  const { faults, notes } = await chooseFaults(values.faults)
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
    env: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => name.startsWith('TWOTICK_MUTANT')),
    ),
  }
  const progress = createProgress(process.stdout)
  for (const note of notes) progress.say(note)
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
  writeFileSync(report, toHtml(verdict, timelineOf(histories), about))
  console.log(`        report: ${report}`)
  if (values.json !== undefined) {
    appendFileSync(values.json, `${toJsonLine(verdict, options)}\n`)
  }
  if (verdict.isGreen && !values.keep) folder.remove()
  return verdict.isGreen ? 0 : 1
}

/** The verdict once more over the histories that a run has left. */
function judgeAgain(folder: string): number {
  const verdict = judge(readHistories(join(folder, 'histories')))
  printVerdict(verdict, { replay: `npm run chaos -- --judge ${folder}`, folder })
  return verdict.isGreen ? 0 : 1
}

function replayCommand({ seed, minutes }: RunOptions): string {
  const faults = values.faults === undefined ? '' : ` --faults '${values.faults}'`
  return `npm run chaos -- --seed ${seed} --minutes ${minutes}${faults}`
}

function number(
  name: 'seed' | 'minutes' | 'rate' | 'accounts' | 'crashers' | 'unruly' | 'replicas',
  min: number,
) {
  const value = Number(values[name])
  if (Number.isFinite(value) && value >= min) return value
  console.error(`--${name} ${values[name]}: expected a number of at least ${min}`)
  process.exit(2)
}
