// npm run bench:peers: the same workloads on the relay and on brokers, in turn in one run, so that each
// claim is a ratio of figures from the same minutes of the same machine.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { openScope } from '@twotick/chassis'
import { readArguments } from '../scripts/arguments.ts'
import { describeSystem, tableOf } from './peers/comparison.ts'
import { startSystems, type System } from './peers/servers.ts'
import { medianRun, type Run, run } from './run.ts'
import { whole } from './table.ts'
import { changed, type Workload, WORKLOADS } from './workloads.ts'

const NAMES = ['online', 'rate-500', 'rate-2000', 'drain', 'group', 'idle']

const { values, positionals } = readArguments('bench:peers', {
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '10' },
    'warm-up': { type: 'string', default: '20' },
    accounts: { type: 'string' },
    waiting: { type: 'string' },
    only: { type: 'string' },
    out: { type: 'string', default: '.twotick/bench/peers.json' },
  },
})

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())

await comparePeers()

async function comparePeers(): Promise<void> {
  const names = positionals.length === 0 ? NAMES : positionals
  const unknown = names.find((name) => !NAMES.includes(name))
  if (unknown !== undefined) {
    console.error(`there is no workload ${unknown} for brokers; there are ${NAMES.join(', ')}`)
    process.exit(2)
  }
  const folder = mkdtempSync(join(tmpdir(), 'twotick-peers-'))
  const scope = openScope('peers', { drainMs: 30_000 })
  scope.defer('folder', () => rmSync(folder, { recursive: true, force: true }))
  const runs = new Map<string, Run[]>()
  try {
    const systems = (await startSystems(folder, scope)).filter(
      ({ name }) => values.only === undefined || values.only.split(',').includes(name),
    )
    for (let round = 1; round <= Number(values.rounds); round++) {
      for (const name of names) {
        for (const system of systems) {
          interrupted.signal.throwIfAborted()
          const key = `${name} ${system.name}`
          runs.set(key, [...(runs.get(key) ?? []), await once(system, name, round)])
        }
      }
    }
    report(names, systems, runs)
  } finally {
    await scope.close()
  }
}

async function once(system: System, name: string, round: number): Promise<Run> {
  const order = {
    target: { url: system.url, token: '' },
    workload: workloadNamed(name),
    name: `p${Date.now().toString(36)}`,
    warmUpMs: Number(values['warm-up']) * 1_000,
    measureMs: Number(values.seconds) * 1_000,
  }
  const found = await run({
    name,
    round,
    order: system.name === 'twotick' ? order : { ...order, peer: system.name },
    usage: () => system.usage(),
    renew: system.renew,
    onProgress: () => undefined,
    signal: interrupted.signal,
  })
  const rate = `${whole(found.perSecond)} ${found.unit}/s`
  console.error(`round ${round}  ${name.padEnd(10)} ${system.name.padEnd(10)} ${rate}`)
  return found
}

function workloadNamed(name: string): Workload {
  const workload = WORKLOADS[name]
  if (workload === undefined) throw new Error(`no workload ${name}`)
  return changed(workload, {
    ...(values.accounts && { accounts: Number(values.accounts) }),
    ...(values.waiting && { waiting: Number(values.waiting) }),
  })
}

function report(
  names: readonly string[],
  systems: readonly System[],
  runs: ReadonlyMap<string, readonly Run[]>,
): void {
  const median = names.map((name) => ({
    name,
    of: systems.map((system) => ({
      system: system.name,
      run: medianRun(runs.get(`${name} ${system.name}`) ?? []),
    })),
  }))
  console.log(`medians of ${values.rounds}, ${values.seconds} s each\n`)
  for (const system of systems) console.log(describeSystem(system))
  for (const { name, of } of median) console.log(`\n${tableOf(name, workloadNamed(name).what, of)}`)
  mkdirSync(dirname(values.out), { recursive: true })
  writeFileSync(values.out, JSON.stringify({ median, runs: Object.fromEntries(runs) }, null, 2))
  console.log(`\n${values.out}`)
}
