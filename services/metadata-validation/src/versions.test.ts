// Goal: client versions compare number by number, and nothing else is one.

import { expect, test } from 'vitest'
import { compareVersions, parseVersion } from './versions.ts'

test.each([
  ['1.2.3', '1.2.10', -1],
  ['2', '1.9.9', 1],
  ['1.2', '1.2.0', 0],
  ['0.0.1', '0', 1],
])('goal: %s against %s is %i', (left, right, sign) => {
  const difference = compareVersions(parseVersion(left) ?? [], parseVersion(right) ?? [])
  expect(Math.sign(difference)).toBe(sign)
})

test.each(['', '1.', '.1', 'v1', '1.2-beta', '-1', '1.2.3.4.5.6.7', '99999999999'])(
  'goal: %j is no version',
  (text) => {
    expect(parseVersion(text)).toBeUndefined()
  },
)
