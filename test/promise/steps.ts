// What proves the promise, as steps that each are one command of their own. `ci` is for every change,
// `nightly` is the rest.

import { releaseBefore } from '../../scripts/release-before.ts'
import { chooseFaults } from '../chaos/choose.ts'

export interface Step {
  readonly name: string
  readonly tier: 'ci' | 'nightly'
  /** What it shows, in a line. */
  readonly shows: string
  /** An npm script and its arguments. */
  readonly run: readonly [script: string, ...args: string[]]
  /** What this machine lacks for it. */
  lacks?(): Promise<string | undefined>
}

export const STEPS: readonly Step[] = [
  {
    name: 'simulation',
    tier: 'ci',
    shows: 'random histories of the core in one process come to a good end',
    run: ['simulate', '--histories', '100000', '--seconds', '120'],
  },
  {
    name: 'mutants',
    tier: 'ci',
    shows: 'with one rule broken, the simulation turns red',
    run: ['mutants', '--quick', '--seconds', '20'],
  },
  {
    name: 'chaos',
    tier: 'ci',
    shows: 'the whole relay under faults, one seed, one minute',
    run: ['chaos', '--seed', '1', '--minutes', '1'],
  },
  {
    name: 'power-cut',
    tier: 'ci',
    shows: 'what had its first tick is there after power cuts; and a loss would be seen',
    run: ['test', '--project', 'relay', 'test/faults/power-cut.test.ts'],
    lacks: missingFor('power cut'),
  },
  {
    name: 'slow-fsync',
    tier: 'ci',
    shows: 'with every flush 100 ms slower, so is the first tick',
    run: ['test', '--project', 'relay', 'test/faults/slow-fsync.test.ts'],
  },
  {
    name: 'all-mutants',
    tier: 'nightly',
    shows: 'every mutant turns something red, also those that need servers',
    run: ['mutants'],
  },
  {
    name: 'seeds',
    tier: 'nightly',
    shows: 'twenty seeds, three minutes each',
    run: ['chaos', '--seeds', '1-20', '--minutes', '3'],
  },
  {
    name: 'restore',
    tier: 'nightly',
    shows: 'backups restored under traffic, among other faults',
    run: ['chaos', '--seed', '21', '--faults', 'restore a backup,kill*,crash devices'],
  },
  {
    name: 'rolling-restart',
    tier: 'nightly',
    shows: 'every service started anew, one replica after another: nobody is refused for good',
    run: ['chaos', '--seed', '3', '--rate', '200', '--each', '--faults', 'rolling restart*'],
  },
  {
    name: 'rolling-upgrade',
    tier: 'nightly',
    shows: 'from the release before to this one and back, under traffic',
    run: ['chaos', '--seed', '3', '--rate', '200', '--each', '--faults', 'rolling upgrade'],
    lacks: async () => (releaseBefore() === undefined ? 'no history of git' : undefined),
  },
  {
    name: 'each-fault',
    tier: 'nightly',
    shows: 'each fault alone: how long from its healing until everything is there',
    run: ['chaos', '--seed', '22', '--rate', '100', '--each', '--table', 'each-fault.md'],
  },
  {
    name: 'disk-full',
    tier: 'nightly',
    shows: 'a full disk under Postgres loses nothing',
    run: ['test', '--project', 'relay', 'test/faults/disk-full.test.ts'],
    lacks: missingFor('disk full'),
  },
  {
    name: 'neighbours',
    tier: 'nightly',
    shows: 'slow, stopped and poisoned mailboxes and reconnect storms leave the others alone',
    run: ['neighbours'],
  },
  {
    name: 'soak',
    tier: 'nightly',
    shows: 'thirty minutes of churn: nothing grows; a transaction held open slows nothing down',
    run: ['soak', '--minutes', '30', '--hold-minutes', '10'],
  },
]

function missingFor(fault: string) {
  return async () => (await chooseFaults(fault)).notes[0]?.replace(/^skipped: /, '')
}
