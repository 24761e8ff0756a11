// Another commit of this repository in a folder of its own, so that its services run beside those of
// this one. They stand on the dependencies that are installed here.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
/** Folders of packages, each with its own. */
const WORKSPACES = ['packages', 'services'] as const

/** Puts the sources of a commit into a new folder, and says which that is. */
export function checkOut(commit: string, folder: string): string {
  mkdirSync(folder)
  const options = { cwd: ROOT, maxBuffer: 256 * 1_048_576 }
  const archive = spawnSync('git', ['archive', commit], options)
  if (archive.status !== 0) throw new Error(archive.stderr.toString())
  const unpacked = spawnSync('tar', ['-x', '-C', folder], { input: archive.stdout })
  if (unpacked.status !== 0) throw new Error(unpacked.stderr.toString())
  linkDependencies(folder)
  return folder
}

/** Everybody else's packages are those installed here; our own are the commit's. */
function linkDependencies(folder: string): void {
  const own = '@twotick'
  linkAll(join(ROOT, 'node_modules'), join(folder, 'node_modules'), [own])
  mkdirSync(join(folder, 'node_modules', own))
  for (const workspace of WORKSPACES) {
    for (const name of readdirSync(join(folder, workspace))) {
      const [here, there] = [ROOT, folder].map((root) => join(root, workspace, name)) as [
        string,
        string,
      ]
      symlinkSync(there, join(folder, 'node_modules', own, name))
      linkAll(join(here, 'node_modules'), join(there, 'node_modules'))
    }
  }
}

function linkAll(from: string, to: string, except: readonly string[] = []): void {
  const names = list(from).filter((name) => !except.includes(name))
  if (names.length === 0) return
  mkdirSync(to)
  for (const name of names) symlinkSync(join(from, name), join(to, name))
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
