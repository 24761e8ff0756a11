// Lists that stand in a page and in the code: the same names in both.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MUTANTS } from '../mutants/mutants.ts'
import { STEPS } from '../promise/steps.ts'
import { ROOT } from './pages.ts'

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** What a page has between two headings. */
function section(path: string, from: string, to: string): string {
  const text = read(path)
  const start = text.indexOf(`\n${from}\n`)
  expect(start, `${path}: ${from}`).toBeGreaterThan(0)
  const end = text.indexOf(`\n${to}`, start + from.length)
  return text.slice(start, end < 0 ? undefined : end)
}

function firstCells(text: string): string[] {
  return [...text.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  )
}

test('every mutant is in the table of what it is met by', () => {
  // Goal: the table is of all of them, and of none that is gone.
  const rows = firstCells(section('test/mutants/README.md', '## What each is met by', '## '))
  expect(rows.toSorted()).toEqual(MUTANTS.map(({ name }) => name).toSorted())
})

test('pages that say how many mutants there are say so of all', () => {
  // Goal: a mutant that is added is counted everywhere.
  const saysSo = {
    'docs/reliability.md': /All (\d+) are: \[by what\]/,
    'test/mutants/README.md': /(\d+) of \1 mutants are red/,
    'CHANGELOG.md': /`npm run mutants`: (\d+) broken rules/,
  }
  for (const [path, count] of Object.entries(saysSo)) {
    expect(Number(count.exec(read(path))?.[1]), path).toBe(MUTANTS.length)
  }
})

test('every step of npm run promise is in the table of reliability.md, with its tier', () => {
  // Goal: what proves the promise is what the page says.
  const text = section('docs/reliability.md', '## All of it, in one command', '## ')
  for (const tier of ['ci', 'nightly']) {
    const rows = text.split('\n').filter((line) => line.includes(`| ${tier} |`))
    const steps = STEPS.filter((step) => step.tier === tier).map(({ name }) => name)
    expect(firstCells(rows.join('\n')).toSorted()).toEqual(steps.toSorted())
  }
})
