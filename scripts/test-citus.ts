// `npm run test:citus`: the whole relay's tests, and a short chaos run judged by its ledger, on a private
// Citus cluster. Where there is no Citus it says that it was SKIPPED.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { citusPrograms } from './servers/citus.ts'

const ROOT = join(import.meta.dirname, '..')

if (citusPrograms() === undefined) {
  console.log(
    'citus: SKIPPED, no Postgres with Citus is installed here, nor named by TWOTICK_TEST_CITUS ' +
      '(a folder of Postgres programs)',
  )
  process.exit(0)
}

// Of the store and of each node; the others know no difference.
const faults = ['--faults', 'kill postgres,stop postgres,kill envelope-store']
const chaos = [
  '--citus',
  '--seed',
  '1',
  '--minutes',
  '1',
  '--rate',
  '100',
  '--accounts',
  '24',
  ...faults,
]
const isGreen = runs('chaos', chaos)
process.env['TWOTICK_TEST_POSTGRES'] = 'citus'
const given = process.argv.slice(2)
process.argv.splice(2, given.length, ...(given.length > 0 ? given : ['--project', 'relay', 'e2e']))
process.on('exit', () => {
  if (!isGreen) process.exitCode = 1
})
await import('./test.ts')

function runs(script: string, args: readonly string[]): boolean {
  const program = [join(ROOT, 'scripts', `${script}.ts`), ...args]
  return spawnSync(process.execPath, program, { cwd: ROOT, stdio: 'inherit' }).status === 0
}
