// One run: quiet, faults, heal, then no more traffic and time to drain. What comes of it is a folder
// of histories; the verdict is the ledger's.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from '@twotick/chassis'
import type { Phase, RunEvent } from '../ledger/history.ts'
import { type History, openRunHistory } from './devices/history-file.ts'
import { checkOut } from './check-out.ts'
import type { Fault } from './fault.ts'
import { type OpenFleet, openFleet } from './fleet.ts'
import type { Progress } from './progress.ts'
import { createRandom } from './random.ts'
import { type Planned, planEach, planFaults } from './schedule.ts'
import { openStack, postgresSetting, type Stack } from './stack.ts'

export interface RunOptions {
  readonly seed: number
  readonly minutes: number
  readonly replicas: number
  readonly messagesPerSecond: number
  readonly accounts: number
  readonly crashers: number
  readonly churns: boolean
  readonly unruly: number
  readonly faults: readonly Fault[]
  /** Instead of a random schedule each fault once, alone, and as long as that takes. */
  readonly isEach: boolean
  /** Where the programs of a Postgres with Citus are, if the run is to have one. */
  readonly citus: string | undefined
  /** The commit of the release before, for a fault that starts with that. */
  readonly base: string | undefined
  /** More environment for every service. */
  readonly env: NodeJS.ProcessEnv
}

export interface RunParts {
  readonly folder: RunFolder
  readonly scope: Scope
  readonly progress: Progress
  readonly signal: AbortSignal
}

export interface RunFolder {
  readonly path: string
  readonly histories: string
  /** Of the devices' storages: in memory where that can be, as their fsyncs are not what is tested. */
  readonly storages: string
  remove(): void
}

const QUIET_MS_MAX = 20_000
const HEAL_MS = 15_000
const EACH_GAP_MS = 12_000
/** After the last fault: 60 s for every second tick, and something to be late by. */
const DRAIN_MS_MAX = 75_000
const ROWS_MS_MAX = 5_000
/** Of what devices are asked to do and cannot do for ever: an error of the run, and no verdict. */
const OBEDIENCE_MS_MAX = 120_000
const POLL_MS = 250
/** As they end in a day by themselves, they do here again and again. */
const SHORT_SESSIONS = { TWOTICK_SESSION_MS: '40000' }

export function makeRunFolder(): RunFolder {
  const path = mkdtempSync(join(tmpdir(), 'twotick-chaos-'))
  const storages = mkdtempSync(join('/dev/shm', 'twotick-chaos-'))
  const histories = join(path, 'histories')
  mkdirSync(histories)
  return {
    ...{ path, histories, storages },
    remove() {
      rmSync(storages, { recursive: true, force: true })
      rmSync(path, { recursive: true, force: true })
    },
  }
}

export async function runChaos(options: RunOptions, parts: RunParts): Promise<void> {
  const { folder, scope, progress, signal } = parts
  const random = createRandom(options.seed)
  const history = openRunHistory(folder.histories)
  const postgres = postgresSetting(folder.path)
  for (const fault of options.faults) await fault.prepare?.(postgres, scope)
  progress.say('starting the relay and the devices')
  const { replicas, citus, env, base } = options
  const startsBefore = options.faults.some((fault) => fault.startsBefore)
  const checkout = startsBefore && base ? checkOut(base, join(folder.path, 'before')) : undefined
  // The release before may not know the variable.
  const envOf = checkout === undefined ? { gateway: SHORT_SESSIONS } : {}
  const setting = { folder: folder.path, replicas, postgres, citus, checkout, env, envOf }
  const stack = await openStack(setting, scope)
  const { histories, storages } = folder
  const place = { url: stack.url, storages, histories }
  const fleet = await openFleet({ ...options, place }, random.branch('fleet'), scope)
  stack.fleet = fleet

  const faultsMs = options.minutes * 60_000 - quietMs(options) - HEAL_MS
  const schedule = random.branch('schedule')
  const planned = options.isEach
    ? planEach(options.faults, EACH_GAP_MS, schedule)
    : planFaults(options.faults, faultsMs, schedule)
  const enter = (phase: Phase) => {
    history.record({ at: 'phase', phase })
    progress.enter(phase)
  }
  const stopWatching = progress.watch(fleet)
  scope.defer('progress', stopWatching)
  enter('quiet')
  fleet.send()
  await sleep(quietMs(options), undefined, { signal })
  enter('faults')
  const started = performance.now()
  await injectAll(planned, { stack, history, progress, signal, seed: options.seed })
  const leftMs = faultsMs - (performance.now() - started)
  if (leftMs > 0) await sleep(leftMs, undefined, { signal })
  enter('heal')
  await sleep(HEAL_MS, undefined, { signal })
  enter('drain')
  await drain(fleet, signal)
  history.record({ at: 'rows', left: await rowsLeft(stack, signal) })
  await within(fleet.finish(), 'the devices did not end', signal)
  enter('end')
  history.close()
}

function quietMs({ minutes }: RunOptions): number {
  return Math.min(QUIET_MS_MAX, minutes * 60_000 * 0.15)
}

interface Injecting {
  readonly stack: Stack
  readonly history: History<RunEvent>
  readonly progress: Progress
  readonly signal: AbortSignal
  readonly seed: number
}

/** Each at its time; later only where its target is still broken. One that fails ends all. */
async function injectAll(planned: readonly Planned[], injecting: Injecting): Promise<void> {
  const failed = new AbortController()
  const signal = AbortSignal.any([injecting.signal, failed.signal])
  const targets = new Map<string, Promise<void>>()
  const injections = planned.map(async (one, index) => {
    await sleep(one.atMs, undefined, { signal })
    const { target } = one.fault
    const before = targets.get(target)
    const injection = (async () => {
      await before
      await inject(one, index + 1, { ...injecting, signal })
    })()
    targets.set(target, injection)
    await injection
  })
  // All have ended, and healed, before the first error goes on.
  await Promise.all(injections.map((each) => each.catch((error: unknown) => failed.abort(error))))
  signal.throwIfAborted()
}

async function inject(planned: Planned, number: number, injecting: Injecting): Promise<void> {
  const { fault, lastsMs } = planned
  const { stack, history, progress, signal, seed } = injecting
  const { name, stopsCommits = false } = fault
  const healed = progress.fault(name)
  history.record({ at: 'fault', number, name })
  const heal = await fault.inject(stack, createRandom(seed * 1_000 + number))
  // From here on, and not before, it is in force.
  if (stopsCommits) history.record({ at: 'standstill', number })
  try {
    await sleep(lastsMs, undefined, { signal })
  } finally {
    if (stopsCommits) history.record({ at: 'standstill-ends', number })
    await heal()
  }
  history.record({ at: 'healed', number })
  healed()
}

/** Until every send has both ticks and every device is connected; or the time is up. */
async function drain(fleet: OpenFleet, signal: AbortSignal): Promise<void> {
  await within(fleet.quieten(), 'the devices did not stop sending', signal)
  const deadline = performance.now() + DRAIN_MS_MAX
  while (performance.now() < deadline) {
    const { unfinished, connected, devices } = fleet.figures()
    if (unfinished === 0 && connected === devices) return
    await sleep(POLL_MS, undefined, { signal })
  }
}

async function within(work: Promise<void>, otherwise: string, signal: AbortSignal) {
  const ended = new AbortController()
  const either = { signal: AbortSignal.any([signal, ended.signal]) }
  const late = sleep(OBEDIENCE_MS_MAX, undefined, either).then(() => {
    throw new Error(`${otherwise} within ${OBEDIENCE_MS_MAX / 1_000} s`)
  })
  late.catch(() => undefined) // the work was done in time
  await Promise.race([work, late]).finally(() => ended.abort())
}

/** What lies in Postgres once everything has come to rest: nothing, within 5 s. */
async function rowsLeft(stack: Stack, signal: AbortSignal) {
  const deadline = performance.now() + ROWS_MS_MAX
  for (;;) {
    const rows = await stack.sql(
      'select account_id, count(*)::int as entries from mailbox.entry group by account_id',
    )
    const left = rows.map((row) => [String(row['account_id']), Number(row['entries'])] as const)
    if (left.length === 0 || performance.now() > deadline) return left
    await sleep(POLL_MS, undefined, { signal })
  }
}
