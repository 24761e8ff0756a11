// Postgres' disk: its plug is pulled, or it is full. Both need Postgres' data on a disk of their own
// (../disk.ts), which the first of them that a run prepares puts there. Not every root can mount one.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from '@twotick/chassis'
import { type Disk, missingForDisk, openDisk } from '../disk.ts'
import type { Fault } from '../fault.ts'
import type { PostgresSetting, Stack } from '../stack.ts'

const DISK_MIB = 512
const REVIVED_MS = 60_000

/** So that a full disk is filled by the ballast, and the log's segments have room beside the data. */
const WAL_SETTINGS = { max_wal_size: '160MB', min_wal_size: '48MB', checkpoint_timeout: '30s' }

const disks = new Map<string, Disk>()
let found: Promise<string | undefined> | undefined

/** Looked for once. */
function missing(): Promise<string | undefined> {
  return (found ??= missingForDisk())
}

export const powerCut: Fault = {
  name: 'power cut',
  target: 'postgres',
  lastsMs: [200, 2_000],
  weight: 2,
  lacks: missing,
  prepare: giveOwnDisk,
  async inject({ postgres }) {
    const disk = diskOf(postgres.dataFolder)
    // The plug first: whatever Postgres answers from here on, the disk knows nothing of.
    await disk.cutPower()
    await postgres.kill()
    return async () => {
      await disk.powerOn()
      await postgres.restart()
    }
  },
}

export const diskFull: Fault = {
  name: 'disk full',
  target: 'postgres',
  lastsMs: [2_000, 6_000],
  lacks: missing,
  prepare: giveOwnDisk,
  async inject(stack) {
    const disk = diskOf(stack.postgres.dataFolder)
    await disk.fill()
    return async () => {
      disk.drain()
      await revive(stack)
    }
  },
}

export const diskFaults: readonly Fault[] = [powerCut, diskFull]

/** Puts the data folder of this setting on a disk of its own, unless it is on one. */
export async function giveOwnDisk(setting: PostgresSetting, scope: Scope): Promise<void> {
  if (disks.has(setting.dataFolder)) return
  const disk = await openDisk({ mib: DISK_MIB })
  const dataFolder = `${disk.folder}/data`
  disks.set(dataFolder, disk)
  scope.defer('disk', async () => {
    disks.delete(dataFolder)
    await disk.close()
  })
  Object.assign(setting.settings, WAL_SETTINGS)
  setting.dataFolder = dataFolder
}

function diskOf(dataFolder: string): Disk {
  const disk = disks.get(dataFolder)
  if (disk === undefined) throw new Error('Postgres is not on a disk of its own: was it prepared?')
  return disk
}

/**
 * A Postgres that cannot write its log ends, and so does its recovery as long as the disk is full.
 * Here, as under any supervisor, it is started again until it serves.
 */
async function revive({ postgres, sql }: Stack): Promise<void> {
  const deadline = Date.now() + REVIVED_MS
  for (;;) {
    const failure = await sql('select 1').then(
      () => undefined,
      (error: Error) => error,
    )
    if (failure === undefined) return
    if (Date.now() > deadline) throw new Error('Postgres does not come back', { cause: failure })
    if (!isRunning(postgres.pid)) await postgres.restart()
    else await sleep(100)
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
