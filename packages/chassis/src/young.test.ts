import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/**
 * Makes objects of which most survive, in eight places, as V8 does not always decide the same, and prints
 * how many of the last ones were old at once.
 */
const PROGRAM = `
  const kept = []
  let old = 0
  for (let place = 0; place < 8; place++) {
    const play = new Function('kept', \`
      const make = (n) => ({ n, list: [n] })
      let old = 0
      for (let n = 0; n < 4_000_000; n++) {
        const made = make(n)
        kept[n % 400_000] = made
        if (n >= 3_000_000 && n % 1_000 === 0 && !%InYoungGeneration(made)) old += 1
      }
      return old\`)
    old += play(kept)
  }
  console.log('old at once:', old)`

function oldAtOnce(program: string): number {
  const flags = ['--allow-natives-syntax', '--max-semi-space-size=2', '--input-type=module']
  const output = execFileSync(process.execPath, [...flags, '--eval', program], { encoding: 'utf8' })
  return Number(/old at once: (\d+)/.exec(output)?.[1])
}

const moduleOf = (file: string) => JSON.stringify(join(import.meta.dirname, file))

test('what survives is allocated old at once: what this is about', () => {
  expect(oldAtOnce(PROGRAM)).toBeGreaterThan(500)
})

test('in a service all is allocated young', () => {
  const service = `
    import { z } from 'zod'
    import { run } from ${moduleOf('run.ts')}
    await run('test', z.strictObject({}), async () => {
      ${PROGRAM}
      setInterval(() => process.kill(process.pid, 'SIGTERM'), 1_000)
    })`
  // One that met a collection right after it was made is old, too.
  expect(oldAtOnce(service)).toBeLessThan(5)
})
