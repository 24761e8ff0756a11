// Where the servers' programs are: Debian's places first, then PATH (other systems).

import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const DEBIAN_POSTGRES = '/usr/lib/postgresql'

/** Debian keeps these out of an ordinary user's PATH. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** The path of a server's program, or null if it is not installed. */
export function findBinary(name: string): string | null {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const folders = [...postgresFolders(), ...path, ...SYSTEM_FOLDERS]
  return folders.map((folder) => join(folder, name)).find(isExecutable) ?? null
}

/** As `findBinary`, but missing it is an error that says what to do. */
export function requireBinary(name: string): string {
  const found = findBinary(name)
  if (found !== null) return found
  throw new Error(`${name} is not installed here: \`npm start\` and \`npm test\` install it.`)
}

/** Debian's folders of Postgres programs, newest version first. */
function postgresFolders(): string[] {
  try {
    return readdirSync(DEBIAN_POSTGRES)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(DEBIAN_POSTGRES, version, 'bin'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
