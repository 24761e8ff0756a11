// npm run bench: workloads through the gateway, against a relay of its own or one that is given.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readArguments, refuseArguments } from '../scripts/arguments.ts'
import { citusPrograms } from '../scripts/servers/citus.ts'
import { page } from './page.ts'
import { type BenchRelay, startBenchRelay } from './relay.ts'
import { scale } from './scale.ts'
import { medianRun, type Run, run } from './run.ts'
import { describe, whole } from './table.ts'
import { changed, type Workload, WORKLOADS } from './workloads.ts'

const NAMES = Object.keys(WORKLOADS)

const { values, positionals } = readArguments('bench', {
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '10' },
    'warm-up': { type: 'string', default: '20' },
    accounts: { type: 'string' },
    bytes: { type: 'string' },
    waiting: { type: 'string' },
    url: { type: 'string' },
    token: { type: 'string', default: '' },
    citus: { type: 'boolean', default: false },
    traced: { type: 'string' },
    out: { type: 'string', default: '.twotick/bench' },
  },
})

const interrupted = new AbortController()
process.once('SIGINT', () => {
  process.once('SIGINT', () => process.exit(130))
  console.error('\nstopping; once more to end at once')
  interrupted.abort()
})

if (positionals[0] === 'scale') await scale(positionals.slice(1), values, interrupted.signal)
else await bench()

async function bench(): Promise<void> {
  if (values.url !== undefined && values.traced !== undefined) {
    refuseArguments('bench', '--traced is for a relay of its own: --url names one that is there')
  }
  const names = positionals.length === 0 ? NAMES : positionals
  const chosen = names.map((name) => ({ name, workload: workloadNamed(name) }))
  const relay = values.url === undefined ? await ownRelay() : given(values.url)
  const runs: Run[] = []
  try {
    for (let round = 1; round <= natural('rounds', values.rounds); round++) {
      for (const { name, workload } of chosen) runs.push(await once(relay, name, workload, round))
    }
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    process.exitCode = 130
  } finally {
    await relay.close()
  }
  if (runs.length > 0) report(runs)
}

function ownRelay(): Promise<BenchRelay> {
  const citus = values.citus ? citusPrograms() : undefined
  const traced = values.traced === undefined ? undefined : share('traced', values.traced)
  if (!values.citus || citus !== undefined) return startBenchRelay({ citus, traced })
  throw new Error('no Postgres with Citus is installed here, nor named by TWOTICK_TEST_CITUS')
}

function once(relay: BenchRelay, name: string, workload: Workload, round: number): Promise<Run> {
  interrupted.signal.throwIfAborted()
  const label = `${name}, round ${round}`
  progress(`${label}: preparing`)
  return run({
    name,
    round,
    order: {
      target: { url: relay.url, token: values.token },
      workload,
      // Handles are taken for ever: those of a run before must not be met again.
      name: `b${Date.now().toString(36)}`,
      warmUpMs: natural('warm-up', values['warm-up']) * 1_000,
      measureMs: natural('seconds', values.seconds) * 1_000,
    },
    usage: relay.usage,
    batches: relay.batches,
    renew: relay.renew,
    signal: interrupted.signal,
    onProgress({ second, perSecond }) {
      progress(`${label}: ${second} s, ${whole(perSecond)} ${workload.unit}/s`)
    },
  })
}

function report(runs: readonly Run[]): void {
  progress('')
  const names = [...new Set(runs.map(({ workload }) => workload))]
  const median = names.map((name) => medianRun(runs.filter((one) => one.workload === name)))
  for (const one of median) console.log(`${describe(one, workloadNamed(one.workload).what)}\n`)
  mkdirSync(values.out, { recursive: true })
  const about = `Medians of ${values.rounds}, ${values.seconds} s each after ${values['warm-up']} s of warm-up; ${values.url ?? `a relay of its own${values.citus ? ' on Citus' : ''}, everything durable`}; ${new Date().toISOString()}`
  writeFileSync(join(values.out, 'result.json'), JSON.stringify({ about, median, runs }, null, 2))
  writeFileSync(join(values.out, 'report.html'), page(median, runs, about))
  console.log(`${join(values.out, 'report.html')} and result.json`)
}

/** A relay that is elsewhere: what its processes use is not seen from here. */
function given(url: string): BenchRelay {
  return { url, usage: () => ({}), close: () => Promise.resolve() }
}

function workloadNamed(name: string): Workload {
  const workload = WORKLOADS[name]
  if (workload === undefined) {
    console.error(`there is no workload ${name}; there are ${NAMES.join(', ')}`)
    process.exit(2)
  }
  return changed(workload, {
    ...(values.accounts && { accounts: natural('accounts', values.accounts) }),
    ...(values.bytes && { bytes: natural('bytes', values.bytes) }),
    ...(values.waiting && { waiting: natural('waiting', values.waiting) }),
  })
}

/** One line that is written over; nothing where nobody watches. */
function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`)
}

function share(name: string, text: string): number {
  const number = Number(text)
  if (text !== '' && number >= 0 && number <= 1) return number
  return refuseArguments('bench', `--${name} wants a number from 0 to 1, not ${text}`)
}

function natural(name: string, text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= 1) return number
  console.error(`--${name} wants a whole number from 1 on, not ${text}`)
  return process.exit(2)
}
