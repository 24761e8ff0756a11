// Goal: each mutant still fits the source that it breaks.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mutate } from './mutant.ts'
import { MUTANTS } from './mutants.ts'

const ROOT = join(import.meta.dirname, '../..')

test.each(MUTANTS)('$name finds its text exactly once', (mutant) => {
  // Goal: a change of the source cannot leave a mutant behind that breaks nothing.
  const source = readFileSync(join(ROOT, mutant.file), 'utf8')
  expect(mutate(mutant, source)).not.toBe(source)
})

test('a text that is there twice, or not at all, is an error', () => {
  // Goal: the list is honest.
  const mutant = { name: 'one', breaks: '', file: 'a.ts', find: 'b', replace: 'c' }
  expect(() => mutate(mutant, 'b b')).toThrow('2 times')
  expect(() => mutate(mutant, 'a')).toThrow('0 times')
})

test('a few of them are red; `npm run mutants` runs all', () => {
  // Goal: the simulation can fail, and says by what.
  const main = join(import.meta.dirname, 'main.ts')
  const names = ['tick-before-commit', 'session-not-checked', 'status-head-first']
  const { stdout, status } = spawnSync(process.execPath, [main, ...names], { encoding: 'utf8' })
  expect(stdout).toContain('3 of 3 mutants are red')
  expect(status).toBe(0)
}, 180_000)
