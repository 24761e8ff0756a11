// Goal: the whole relay keeps its promise in random histories; `npm run simulate` plays many more.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const MAIN = join(import.meta.dirname, 'main.ts')

function simulate(...args: string[]) {
  // In a process of its own: it takes over the clock.
  const { stdout, status } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' })
  return { stdout, status }
}

test('random histories come to a good end', () => {
  // Goal: nothing lost, nothing twice, nothing out of order, no false tick, nothing left over.
  const { stdout, status } = simulate('--histories', '200', '--seconds', '5', '--workers', '1')
  expect(stdout).toContain('nothing lost')
  expect(status).toBe(0)
}, 120_000)

test('a seed plays the same history again', () => {
  // Goal: what fails can be looked at.
  const one = simulate('--seed', '7')
  expect(one.stdout).toBe('seed 7: all is well\n')
  expect(simulate('--seed', '7')).toEqual(one)
}, 120_000)
