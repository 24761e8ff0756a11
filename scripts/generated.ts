// Whether the committed code in packages/protocol/src/generated is what `npm run proto` makes of
// proto/ now.

import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '..')
const GENERATED = 'packages/protocol/src/generated'

/** The files that differ, and what to do; empty if none does. */
export async function generatedDifferences(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'twotick-generated-'))
  try {
    const buf = join(ROOT, 'node_modules/.bin/buf')
    await promisify(execFile)(buf, ['generate', '--output', folder], { cwd: ROOT })
    const fresh = await contents(join(folder, GENERATED))
    const committed = await contents(join(ROOT, GENERATED))
    const names = new Set([...fresh.keys(), ...committed.keys()])
    const different = [...names].filter((name) => fresh.get(name) !== committed.get(name))
    if (different.length === 0) return ''
    return `${different.map((name) => join(GENERATED, name)).join('\n')}\nnot as generated: npm run proto`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function contents(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return new Map(
    await Promise.all(
      files.map(async ({ parentPath, name }): Promise<[string, string]> => {
        const path = join(parentPath, name)
        return [relative(folder, path), await readFile(path, 'utf8')]
      }),
    ),
  )
}
