// The links of every Markdown page of the repository lead somewhere.

import { readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { pages } from './pages.ts'

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

test('every relative link of every page leads to a file, and to a heading that is there', async () => {
  // Goal: a renamed file or heading does not leave dead links behind.
  const dead: string[] = []
  expect(pages().length).toBeGreaterThan(10)
  for (const { path, text } of pages()) {
    const here = new URL(path, root)
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
