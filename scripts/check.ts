// `npm run check`: everything that can be said without running the code, and what is derived in sync
// with what it is derived from. A line a step; what a step prints is shown only if it fails.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { configurationDifferences } from './configuration-page.ts'
import { dashboardDifferences } from './dashboard-file.ts'
import { generatedDifferences } from './generated.ts'
import { ensureServersOrExit } from './install-servers.ts'
import { permissionDifferences } from './permission-files.ts'
import { schemaDifferences } from './schema-dump.ts'
import { wireDifferences } from './wire.ts'

const ROOT = join(import.meta.dirname, '..')

/** What is wrong; empty if nothing is. */
type Check = () => string | Promise<string>

const CHECKS: [name: string, check: Check][] = [
  ['proto', tool('buf', 'lint')],
  ['wire', () => wireDifferences()],
  ['generated code', generatedDifferences],
  ['types', tool('tsc', '--noEmit')],
  ['types in browsers', tool('tsc', '--noEmit', '-p', 'clients/sdk/tsconfig.browser.json')],
  ['lint', tool('eslint', '.')],
  ['format', tool('prettier', '--check', '--log-level=warn', '.')],
  ['schema.sql', schemaDifferences],
  ['permissions', permissionDifferences],
  ['configuration.md', configurationDifferences],
  ['dashboard', dashboardDifferences],
]

ensureServersOrExit()
let failed = 0
for (const [name, check] of CHECKS) {
  const began = performance.now()
  const wrong = await run(check)
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  console.log(`${wrong === '' ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
  if (wrong === '') continue
  failed++
  console.log(wrong)
}
process.exit(failed === 0 ? 0 : 1)

async function run(check: Check): Promise<string> {
  try {
    return await check()
  } catch (error) {
    return String(error)
  }
}

function tool(name: string, ...args: string[]): Check {
  return () => {
    const binary = join(ROOT, 'node_modules/.bin', name)
    const { status, stdout, stderr, error } = spawnSync(binary, args, {
      cwd: ROOT,
      encoding: 'utf8',
    })
    return status === 0 ? '' : `${error?.message ?? ''}${stdout}${stderr}` || `exit code ${status}`
  }
}
