// Power cuts one after another, each at a random moment under traffic, and after each one: is
// everything there that had its first tick? A relay of its own, with one replica of each service.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from '@twotick/chassis'
import { waitFor } from '../wait.ts'
import { giveOwnDisk, powerCut } from './faults/disk.ts'
import { createRandom } from './random.ts'
import { openStack, postgresSetting } from './stack.ts'
import { openWitness, sum, type Verdict, type Witness } from './witness.ts'

const PAIRS = 8
const TRAFFIC_MS = [100, 1_200] as const
const HEALED_MS = 30_000

export interface PowerCutOptions {
  readonly rounds: number
  readonly seed: number
  /** false: Postgres answers a commit before its log is flushed, to see that it is missed. */
  readonly waitsForDisk?: boolean
  readonly tell?: (round: PowerCutRound) => void
}

export interface PowerCutRound extends Verdict {
  readonly number: number
  /** From the power's return until the first tick. */
  readonly recoveredMs: number
}

/** Runs the rounds; what it opens is closed with the scope. */
export async function cutPowerRepeatedly(
  { rounds, seed, waitsForDisk = true, tell = () => undefined }: PowerCutOptions,
  scope: Scope,
): Promise<PowerCutRound[]> {
  const random = createRandom(seed)
  const folder = mkdtempSync(join(tmpdir(), 'twotick-cut-'))
  scope.defer('folder', () => rmSync(folder, { recursive: true, force: true }))
  const setting = postgresSetting(folder)
  await giveOwnDisk(setting, scope)
  // Nor does it write by itself in the meantime: else there may be nothing to lose at the moment of a cut.
  const hasty = {
    synchronous_commit: 'off',
    wal_writer_delay: '10s',
    wal_writer_flush_after: '1GB',
    autovacuum: 'off',
  }
  if (!waitsForDisk) Object.assign(setting.settings, hasty)
  const stack = await openStack({ folder, replicas: 1, postgres: setting, env: {} }, scope)
  const witnesses = await Promise.all(
    Array.from({ length: PAIRS }, (_, number) => openWitness(stack.url, `pair${number}`)),
  )
  // A hasty one may forget the accounts too, and then nobody is left to tell what it has lost.
  if (!waitsForDisk) await stack.sql('checkpoint')
  const all: PowerCutRound[] = []
  for (let number = 1; number <= rounds; number++) {
    witnesses.forEach((witness) => witness.start())
    await everyTick(witnesses)
    await sleep(random.whole(...TRAFFIC_MS))
    // A checkpoint under way is the harder moment: data pages are half written. (It flushes the log first.)
    if (random.chance(0.5) && waitsForDisk) void stack.sql('checkpoint').catch(() => undefined)
    const restore = await powerCut.inject(stack, random)
    const began = performance.now()
    await restore()
    await everyTick(witnesses)
    const recoveredMs = performance.now() - began
    await Promise.all(witnesses.map((witness) => witness.stop()))
    const verdicts = await Promise.all(witnesses.map((witness) => witness.collect()))
    const round = { number, recoveredMs, ...sum(verdicts) }
    all.push(round)
    tell(round)
  }
  return all
}

/** Waits until each witness has had one more tick. */
async function everyTick(witnesses: readonly Witness[]): Promise<void> {
  const since = performance.now()
  await waitFor(() => witnesses.every((witness) => witness.lastTickAt() > since), {
    what: 'a first tick of everyone',
    deadlineMs: HEALED_MS,
  })
}
