// Postgres restored from a backup that is some seconds old, as docs/operations.md says how: whoever
// is connected to it ends, the data is put back, the epoch is raised, and then services start on it.
// What was stored since is gone; devices meet the new epoch and send again what nobody had yet.
//
// The directory goes back, too: accounts and devices that came or went since are another matter, so
// none does while this fault is among those of a run.

import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { requireBinary } from '../../../scripts/servers/binaries.ts'
import { raiseEpoch, withDatabase } from '../../../scripts/servers/database.ts'
import { tethered } from '../../../scripts/servers/tether.ts'
import { serverUser } from '../../../scripts/servers/unprivileged.ts'
import type { Fault } from '../fault.ts'
import { DATABASE, type Stack } from '../stack.ts'
import { replicasOf } from './processes.ts'

const run = promisify(execFile)

export const restoreBackup: Fault = {
  name: 'restore a backup',
  target: 'postgres',
  lastsMs: [3_000, 10_000],
  weight: 0,
  rollsBack: true,
  async inject(stack) {
    const backup = await takeBackup(stack)
    return () => restore(stack, backup)
  },
}

/** A copy of everything, while the server goes on. */
async function takeBackup({ postgres }: Stack): Promise<string> {
  // The servers' user may write there.
  const backup = join(postgres.socketFolder, `backup-${Date.now()}`)
  const from = ['--host', postgres.socketFolder, '--username', 'postgres']
  const how = ['--pgdata', backup, '--checkpoint', 'fast', '--wal-method', 'stream', '--no-sync']
  const as = { orphanSignal: 'KILL', user: serverUser() } as const
  await run(...tethered(requireBinary('pg_basebackup'), [...from, ...how], as), { cwd: '/' })
  return backup
}

async function restore(stack: Stack, backup: string): Promise<void> {
  const { postgres } = stack
  const clients = (['envelope-store', 'metadata-validation'] as const).flatMap((service) =>
    replicasOf(stack, service),
  )
  await Promise.all(clients.map(({ process }) => process.signal('SIGKILL')))
  await postgres.kill()
  rmSync(postgres.dataFolder, { recursive: true, force: true })
  await run('cp', ['-a', backup, postgres.dataFolder])
  rmSync(backup, { recursive: true, force: true })
  await postgres.restart()
  await raiseEpoch(withDatabase(postgres.url, DATABASE))
  await Promise.all(clients.map(({ process }) => process.start()))
}
