// Who the command speaks as. A profile is one device: a SQLite file under the user's data folder,
// which holds its key, its outbox and its inbox. One process at a time uses it: two would be two
// copies of one device, which replace each other's sessions for ever. The lock is SQLite's own, so it
// goes with the process, however that ends.

import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { getSystemErrorMessage } from 'node:util'
import type { Storage } from '@twotick/sdk'
import { type FileStorage, fileStorage } from '@twotick/sdk/node'
import { CommandError, EXIT } from './command-error.ts'
import { TWOTICK } from './typed.ts'

const SUFFIX = '.db'

/** `$XDG_DATA_HOME/twotick`, or `~/.local/share/twotick`. */
export function profileFolder(env: NodeJS.ProcessEnv = process.env): string {
  const dataHome = env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share')
  return join(dataHome, 'twotick')
}

export function profilePath(name: string): string {
  return join(profileFolder(), `${name}${SUFFIX}`)
}

/** The path as a person reads it. */
export function shortPath(path: string): string {
  const home = homedir()
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path
}

export function listProfiles(): string[] {
  const files = inFolder('read', (folder) => readdirSync(folder)) ?? []
  const profiles = files.filter((file) => file.endsWith(SUFFIX))
  return profiles.map((file) => file.slice(0, -SUFFIX.length)).sort()
}

/** Whether there is a file of this profile. */
export function isProfile(name: string): boolean {
  return inFolder('read', () => statSync(profilePath(name))) !== undefined
}

/** Undefined where it is not there. Throws CommandError where that cannot be done. */
function inFolder<T>(what: 'made' | 'read', use: (folder: string) => T): T | undefined {
  const folder = profileFolder()
  try {
    return use(folder)
  } catch (error) {
    if (!(error instanceof Error) || !('errno' in error)) throw error
    if (what === 'read' && 'code' in error && error.code === 'ENOENT') return undefined
    const why = getSystemErrorMessage(Number(error.errno))
    throw new CommandError(
      EXIT.profile,
      `The folder of the profiles, ${shortPath(folder)}, cannot be ${what}: ${why}.`,
      ['Mend that, or name another place:  XDG_DATA_HOME=<folder>'],
    )
  }
}

/** The profile that was named, or the only one that there is. */
export function chooseProfile(named: string | undefined): string {
  if (named !== undefined) return checkProfileName(named)
  const [only, ...others] = listProfiles()
  if (only === undefined) {
    throw new CommandError(EXIT.profile, 'Nobody is registered on this machine yet.', [
      `${TWOTICK} register <handle>`,
    ])
  }
  if (others.length > 0) {
    throw new CommandError(
      EXIT.profile,
      'There are several profiles here. Say whose this is:',
      [only, ...others].slice(0, 10).map((name) => `--as ${name}`),
    )
  }
  return only
}

export function checkProfileName(name: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new CommandError(EXIT.usage, `"${name}" cannot be the name of a profile.`, [
      'Use letters, digits, dot, dash and underscore.',
    ])
  }
  return name
}

/** A profile in use: every other twotick is kept out until it is disposed of, or the process ends. */
export interface Profile extends Disposable {
  readonly storage: Storage
  /** Removes it, as nothing came of it. */
  forget(): void
}

export function openProfile(name: string): Profile {
  inFolder('made', (folder) => mkdirSync(folder, { recursive: true, mode: 0o700 }))
  const path = profilePath(name)
  const storage = openStorage(name, path)
  let isOpen = true
  const close = () => {
    if (isOpen) storage.close()
    isOpen = false
  }
  return {
    storage,
    forget() {
      close()
      for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true })
    },
    [Symbol.dispose]: close,
  }
}

function openStorage(name: string, path: string): FileStorage {
  try {
    return fileStorage(path)
  } catch (error) {
    if (!isSqlite(error)) throw error
    if (error.errcode !== SQLITE_BUSY) throw unusable(name, path, error)
    throw new CommandError(EXIT.profile, `Another twotick is running as ${name}.`, [
      'Stop it first; or send and receive in one terminal:',
      `${TWOTICK} --as ${name} chat <handle>`,
    ])
  }
}

const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

interface SqliteError extends Error {
  readonly errcode: number
}

export function isSqlite(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error
}

function unusable(name: string, path: string, { message, errcode }: SqliteError): CommandError {
  const isDamaged = errcode === SQLITE_CORRUPT || errcode === SQLITE_NOTADB
  const advice = isDamaged
    ? [
        'Move it away, and make the profile anew:',
        `${TWOTICK} --as ${name} register <handle>   or   ${TWOTICK} --as ${name} link`,
      ]
    : [`Is it yours to read and write, is there space?  ls -l ${shortPath(path)}*`]
  return new CommandError(
    EXIT.profile,
    `The profile ${name}, ${shortPath(path)}, cannot be opened: ${message}.`,
    advice,
  )
}
