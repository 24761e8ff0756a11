// Who the command speaks as. A profile is one device: a SQLite file under the user's data folder,
// which holds its key, its outbox and its inbox. One process at a time uses it: two would be two
// copies of one device, which replace each other's sessions for ever. The lock is SQLite's own, so it
// goes with the process, however that ends.

import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
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
  const folder = profileFolder()
  if (!existsSync(folder)) return []
  const files = readdirSync(folder).filter((file) => file.endsWith(SUFFIX))
  return files.map((file) => file.slice(0, -SUFFIX.length)).sort()
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
  mkdirSync(profileFolder(), { recursive: true, mode: 0o700 })
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
    if (!isLocked(error)) throw error
    throw new CommandError(EXIT.profile, `Another twotick is running as ${name}.`, [
      'Stop it first; or send and receive in one terminal:',
      `${TWOTICK} --as ${name} chat <handle>`,
    ])
  }
}

const SQLITE_BUSY = 5

function isLocked(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}
