// One run of one workload: forks the load generator, follows it, and notes what each part of the
// relay has used meanwhile.

import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Measured } from './figures.ts'
import type { Said } from './load.ts'
import type { PeerOrder } from './peers/perform-peer.ts'
import type { Order } from './perform.ts'
import type { Usage } from './processes.ts'
import type { Batches } from './relay.ts'
import type { Workload } from './workloads.ts'

/** One second of the measured time. */
export interface Sample {
  readonly second: number
  readonly perSecond: number
}

export interface Run extends Measured {
  readonly workload: string
  readonly round: number
  readonly unit: Workload['unit']
  readonly perSecond: number
  /** CPU seconds for 100,000 of the unit, by part; empty for a relay that is elsewhere. */
  readonly cpu: Readonly<Record<string, number>>
  /** What each part's memory has grown by, in KiB. */
  readonly grownKiB: Readonly<Record<string, number>>
  readonly samples: readonly Sample[]
  /** Appends and acks of a transaction, on average. */
  readonly itemsOfBatch?: number
  /** Why the relay ended sessions: what those still had to do is in no figure. */
  readonly ended: readonly string[]
  /** The load generator's own CPU seconds for 100,000. */
  readonly generatorCpu: number
}

export interface RunOptions {
  readonly name: string
  readonly round: number
  readonly order: Order | PeerOrder
  readonly usage: () => Readonly<Record<string, Usage>>
  readonly batches?: (() => Promise<Batches>) | undefined
  /** Starts the relay's processes again, once the accounts of a workload that wants it are made. */
  readonly renew?: (() => Promise<void>) | undefined
  readonly onProgress: (sample: Sample) => void
  readonly signal: AbortSignal
  /** The measured time begins; ends. */
  readonly onMeasuring?: () => void
  readonly onMeasured?: () => void
}

/**
 * As in fan-out: what passes are buffers of sockets, and they let one whole collection follow the
 * other in some runs, for a second of CPU in 100,000 messages that the relay then did not have.
 */
const GENERATOR_FLAGS = ['--heap-growing-percent=200']

export async function run(options: RunOptions): Promise<Run> {
  const { name, round, order, usage } = options
  const child = fork(join(import.meta.dirname, 'load.ts'), {
    signal: options.signal,
    execArgv: [...process.execArgv, ...GENERATOR_FLAGS],
  })
  let before = usage()
  let began = performance.now()
  let batchesBefore = options.batches?.()
  let totalBefore: number | undefined
  const samples: Sample[] = []
  const result = Promise.withResolvers<Said & { is: 'measured' }>()
  child.on('message', (said: Said) => {
    if (said.is === 'prepared') {
      const renewed = options.renew?.() ?? Promise.resolve()
      renewed.then(
        () => child.send('go on'),
        (error: unknown) => result.reject(error),
      )
    } else if (said.is === 'measuring') {
      before = usage()
      began = performance.now()
      batchesBefore = options.batches?.()
      options.onMeasuring?.()
    } else if (said.is === 'progress') {
      const second = Math.round((performance.now() - began) / 1_000)
      const sample = { second, perSecond: said.total - (totalBefore ?? said.total) }
      if (totalBefore !== undefined) samples.push(sample)
      totalBefore = said.total
      options.onProgress(sample)
    } else if (said.is === 'failed') result.reject(new Error(said.reason))
    else result.resolve(said)
  })
  child.on('error', (error) => result.reject(error))
  child.on('exit', (code) => result.reject(new Error(`the load generator ended with ${code}`)))
  child.send(order)
  const { measured, ended, cpuSeconds } = await result.promise
  const after = usage()
  const itemsOfBatch = meanBatch(await batchesBefore, await options.batches?.())
  options.onMeasured?.()
  const scale = 100_000 / Math.max(1, measured.count)
  return {
    ...measured,
    workload: name,
    round,
    unit: order.workload.unit,
    perSecond: measured.count / measured.seconds,
    cpu: difference(before, after, ({ cpuSeconds }) => cpuSeconds * scale),
    grownKiB: difference(before, after, ({ memoryKiB }) => memoryKiB),
    samples,
    ...(itemsOfBatch !== undefined && { itemsOfBatch }),
    ended,
    generatorCpu: cpuSeconds * scale,
  }
}

function meanBatch(before: Batches | undefined, after: Batches | undefined): number | undefined {
  if (before === undefined || after === undefined) return undefined
  const transactions = after.transactions - before.transactions
  return transactions > 0 ? (after.items - before.items) / transactions : undefined
}

function difference(
  before: Readonly<Record<string, Usage>>,
  after: Readonly<Record<string, Usage>>,
  of: (usage: Usage) => number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).map(([part, usage]) => {
      const earlier = before[part]
      return [part, of(usage) - (earlier === undefined ? 0 : of(earlier))]
    }),
  )
}

/** The run in the middle: by throughput, or where that is given, by the first tick's p99. */
export function medianRun(runs: readonly Run[]): Run {
  const [first] = runs
  const isOpen = first?.workload.startsWith('rate-')
  const measure = (run: Run) => (isOpen ? (run.firstTick?.p99Ms ?? 0) : run.perSecond)
  const sorted = [...runs].sort((a, b) => measure(a) - measure(b))
  const middle = sorted[Math.floor((sorted.length - 1) / 2)]
  if (middle === undefined) throw new Error('no run')
  return middle
}

export function sum(parts: Readonly<Record<string, number>>): number {
  return Object.values(parts).reduce((total, part) => total + part, 0)
}
