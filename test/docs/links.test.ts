// The links of every Markdown page of the repository lead somewhere.

import { glob, readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)

/** A heading's anchor as GitHub makes it. */
function anchor(heading: string): string {
  const kept = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '')
  return kept.trim().replaceAll(' ', '-')
}

function anchorsOf(markdown: string): Set<string> {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, '')
  return new Set([...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchor(heading)))
}

/** Found without git: a machine that runs the tests may not have it. */
async function pages(): Promise<string[]> {
  const exclude = (path: string) => /(^|\/)(node_modules|dist|\.twotick)$/.test(path)
  return Array.fromAsync(glob('**/*.md', { cwd: fileURLToPath(root), exclude }))
}

test('every relative link of every page leads to a file, and to a heading that is there', async () => {
  // Goal: a renamed file or heading does not leave dead links behind.
  const dead: string[] = []
  expect((await pages()).length).toBeGreaterThan(10)
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
