// `npm test`: all tests of all projects, briefly, then a line of its own: `N passed, N failed`.
// Arguments go to vitest: `npm test -- packages/protocol`, `npm test -- -t "second tick"`.

import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureServersOrExit } from './install-servers.ts'

interface Report {
  numPassedTests: number
  numFailedTests: number
  testResults: { status: string; assertionResults: { status: string }[] }[]
}

const ROOT = join(import.meta.dirname, '..')

if (process.env['TWOTICK_TEST_SERVERS'] !== 'containers') ensureServersOrExit('0 passed, 1 failed')
// The run's temp folder, also for the tests: gone with the run, even if vitest is killed.
const folder = mkdtempSync(join(tmpdir(), 'twotick-test-'))
chmodSync(folder, 0o711) // Postgres' user goes through it
const reportFile = join(folder, 'report.json')

const code = await runVitest()
const { passed, failed } = count()
// What no test accounts for (an unhandled error, a set-up that failed) is a failure too.
const failures = code !== 0 && failed === 0 ? 1 : failed
// Servers that are ending just now may still write, hence the retries.
await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
console.log(`${passed} passed, ${failures} failed`)
process.exit(failures === 0 ? 0 : 1)

function runVitest(): Promise<number> {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${reportFile}`]
  const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, TMPDIR: folder },
  })
  // Ctrl-C reaches vitest too, which then stops the servers; we wait for it.
  process.on('SIGINT', () => undefined)
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  process.on('disconnect', () => child.kill('SIGTERM'))
  process.channel?.unref()
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (status) => resolve(status ?? 1))
  })
}

function count() {
  try {
    const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report
    const brokenFiles = report.testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
    )
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests + brokenFiles.length,
    }
  } catch (error) {
    console.error(`vitest left no report: ${(error as Error).message}`)
    return { passed: 0, failed: 1 }
  }
}
