// The links of every Markdown page of the repository lead somewhere.

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const run = promisify(execFile)

/** A heading's anchor as GitHub makes it. */
function anchor(heading: string): string {
  const kept = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '')
  return kept.trim().replaceAll(' ', '-')
}

function anchorsOf(markdown: string): Set<string> {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, '')
  return new Set([...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchor(heading)))
}

async function pages(): Promise<string[]> {
  const listed = await run('git', ['ls-files', '-co', '--exclude-standard', '*.md'], { cwd: root })
  return listed.stdout.split('\n').filter((path) => path !== '' && existsSync(new URL(path, root)))
}

test('every relative link of every page leads to a file, and to a heading that is there', async () => {
  // Goal: a renamed file or heading does not leave dead links behind.
  const dead: string[] = []
  for (const path of await pages()) {
    const here = new URL(path, root)
    const text = await readFile(here, 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [file = '', hash = ''] = target.split('#')
      const there = file === '' ? here : new URL(file, here)
      const isDead =
        !existsSync(fileURLToPath(there)) ||
        (hash !== '' && !anchorsOf(await readFile(there, 'utf8')).has(hash))
      if (isDead) dead.push(`${path}: ${target}`)
    }
  }
  expect(dead).toEqual([])
})
