// Whom our servers run as. Postgres refuses root, so as root everything is started as Debian's
// user `postgres`, or `nobody` where there is none. An ordinary user runs them as itself.

import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync } from 'node:fs'

export interface User {
  uid: number
  gid: number
}

/** The user for our servers; null: ourselves. */
export function serverUser(): User | null {
  if (process.getuid?.() !== 0) return null
  const users = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.find((line) => line.startsWith(`${name}:`))?.split(':') ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('Postgres refuses to run as root, and there is no user postgres or nobody here.')
}

/** Makes a folder that only the servers' user (and root) can enter. */
export function makeServerFolder(path: string, user: User | null): string {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  if (user !== null) chownSync(path, user.uid, user.gid)
  return path
}

/** Whether that user gets into a folder, through all those above it. */
export function canEnter(folder: string, user: User): boolean {
  return spawnSync('test', ['-x', folder], { uid: user.uid, gid: user.gid, cwd: '/' }).status === 0
}
