import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** Makes objects of which most survive, and prints how many of the last thousand were old at once. */
const PROGRAM = `
  const make = (n) => ({ n, list: [n] })
  const kept = []
  let old = 0
  for (let n = 0; n < 20_000_000; n++) {
    const made = make(n)
    kept[n % 400_000] = made
    if (n >= 19_000_000 && n % 1_000 === 0 && !%InYoungGeneration(made)) old += 1
  }
  process.stdout.write(String(old))`

function oldAtOnce(before: string): number {
  const flags = ['--allow-natives-syntax', '--max-semi-space-size=2', '--input-type=module']
  return Number(execFileSync(process.execPath, [...flags, '--eval', before + PROGRAM]))
}

const young = join(import.meta.dirname, 'young.ts')

test('what survives is allocated old at once: what this is about', () => {
  expect(oldAtOnce('')).toBeGreaterThan(500)
})

test('all is allocated young', () => {
  expect(oldAtOnce(`(await import(${JSON.stringify(young)})).allocateYoung()\n`)).toBe(0)
})
