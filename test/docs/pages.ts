// The Markdown pages of the repository. Found without git: a machine that runs the tests may not
// have it.

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

export interface Page {
  /** From the root. */
  readonly path: string
  readonly text: string
}

export function pages(): Page[] {
  const exclude = (path: string) => /(^|\/)(node_modules|dist|\.twotick)$/.test(path)
  return globSync('**/*.md', { cwd: ROOT, exclude }).map((path) => ({
    path,
    text: readFileSync(join(ROOT, path), 'utf8'),
  }))
}
