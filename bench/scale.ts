// npm run bench -- scale: what a message costs as the relay grows and as the work grows. On a machine
// of few cores replicas give no more throughput: what must stay flat is the CPU of a message.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startBenchRelay, type BenchRelayOptions } from './relay.ts'
import { type Run, run, sum } from './run.ts'
import { whole } from './table.ts'
import { type Workload, WORKLOADS } from './workloads.ts'

interface Step {
  readonly label: string
  readonly workload: Workload
  readonly relay: BenchRelayOptions
}

export interface ScaleOptions {
  readonly seconds: string
  readonly 'warm-up': string
  readonly out: string
}

const DEEP_ACCOUNTS = 4
/** Deeper than a mailbox is by default. */
const DEEP = { TWOTICK_MAILBOX_ENTRIES_MAX: '200000', TWOTICK_MAILBOX_BYTES_MAX: '1000000000' }

function of(name: string, change: Partial<Workload>): Workload {
  const workload = WORKLOADS[name]
  if (workload === undefined) throw new Error(`no workload ${name}`)
  return { ...workload, ...change }
}

const AXES: Readonly<Record<string, readonly Step[]>> = {
  replicas: [1, 2, 3].map((replicas) => ({
    label: `${replicas} of each service`,
    workload: of('online', {}),
    relay: { replicas },
  })),
  // As many messages outstanding, whatever the accounts.
  accounts: [10, 100, 1_000, 10_000].map((accounts) => ({
    label: `${whole(accounts)} accounts`,
    workload: of('online', {
      accounts: accounts / 2,
      outstanding: Math.max(1, Math.round(1_600 / (accounts / 2))),
    }),
    relay: {},
  })),
  depth: [10, 1_000, 10_000, 100_000].map((depth) => ({
    label: `${whole(depth)} waiting in a mailbox`,
    workload: of('drain', { accounts: DEEP_ACCOUNTS, waiting: DEEP_ACCOUNTS * depth }),
    relay: { storeEnv: DEEP },
  })),
  group: [10, 100, 1_000].map((accounts) => ({
    label: `${whole(accounts)} members`,
    workload: of('group', { accounts }),
    relay: {},
  })),
}

/** Runs some axes, or all: a relay of its own for each step. */
export async function scale(
  names: readonly string[],
  { seconds, 'warm-up': warmUp, out }: ScaleOptions,
  signal: AbortSignal,
): Promise<void> {
  const chosen = names.length === 0 ? Object.keys(AXES) : names
  const found: Record<string, { label: string; run: Run }[]> = {}
  for (const axis of chosen) {
    const steps = AXES[axis]
    if (steps === undefined) {
      console.error(`there is no axis ${axis}; there are ${Object.keys(AXES).join(', ')}`)
      process.exit(2)
    }
    console.log(`\n${axis}`)
    found[axis] = []
    for (const step of steps) {
      const run = await once(step, { seconds, warmUp }, signal)
      found[axis].push({ label: step.label, run })
      console.log(`  ${step.label.padEnd(28)}${describe(run)}`)
    }
  }
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'scale.json'), JSON.stringify(found, null, 2))
  console.log(`\n${join(out, 'scale.json')}`)
}

async function once(
  { label, workload, relay: options }: Step,
  { seconds, warmUp }: { seconds: string; warmUp: string },
  signal: AbortSignal,
): Promise<Run> {
  const relay = await startBenchRelay(options)
  try {
    return await run({
      name: label,
      round: 1,
      order: {
        target: { url: relay.url, token: '' },
        workload,
        name: 's',
        warmUpMs: Number(warmUp) * 1_000,
        measureMs: Number(seconds) * 1_000,
      },
      usage: relay.usage,
      batches: relay.batches,
      signal,
      onProgress: () => undefined,
    })
  } finally {
    await relay.close()
  }
}

function describe({ perSecond, unit, cpu }: Run): string {
  const rate = `${whole(perSecond)} ${unit}/s`.padStart(22)
  return `${rate}   ${sum(cpu).toFixed(1).padStart(6)} CPU s / 100,000`
}
