// docs/rules.md against the tests that it names.

import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const page = new URL('../../docs/rules.md', import.meta.url)

test('every test that the page names is there', async () => {
  // Goal: a rule whose test was renamed or removed is noticed. (That its files are there, links.test
  // says.)
  const text = await readFile(page, 'utf8')
  const named = [...text.matchAll(/\]\(([^)]+\.test\.ts)\) `([^`]+)`/g)]
  expect(named.length).toBeGreaterThan(30)
  const gone: string[] = []
  for (const [, file = '', name = ''] of named) {
    const source = await readFile(new URL(file, page), 'utf8')
    if (!source.includes(name)) gone.push(`${file}: ${name}`)
  }
  expect(gone).toEqual([])
})

test('every row of the page names a rule, a file and a test', async () => {
  // Goal: no rule without the test that fails without it.
  const text = await readFile(page, 'utf8')
  const rows = text.split('\n').filter((line) => /^\| (?!---|rule \|)/.test(line))
  expect(rows.length).toBeGreaterThan(30)
  for (const row of rows) {
    const [rule, where, tests, ...more] = row.slice(2, -2).split(' | ')
    expect(rule, row).not.toBe('')
    expect(where, row).toMatch(/^\[[^\]]+\]\(/)
    expect(tests, row).toMatch(/\.test\.ts\) `/)
    expect(more, row).toEqual([])
  }
})
