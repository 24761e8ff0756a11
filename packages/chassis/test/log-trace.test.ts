// Goal: what is logged on behalf of a traced envelope names its trace, however much later, and what is
// logged beside it does not.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const FOLDER = join(import.meta.dirname, '..')

const PROGRAM = `
  import { setTimeout as sleep } from 'node:timers/promises'
  import { beginTrace, createLog } from '@twotick/chassis'
  const log = createLog('test')
  const span = beginTrace('test', 'work')
  console.log(JSON.stringify({ id: span.traceId }))
  const work = span.within(async () => { await sleep(5); log.warn('of the envelope') })
  log.warn('beside it')
  await work
  process.exit(0)
`

test('a log line names the trace that it belongs to', () => {
  const preload = join(FOLDER, 'src/telemetry.ts')
  const parameters = ['--import', preload, '--input-type=module', '--eval', PROGRAM]
  const { stdout, stderr } = spawnSync(process.execPath, parameters, {
    cwd: FOLDER,
    env: { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' },
    encoding: 'utf8',
  })
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  const [begun, ...logged] = lines.map((line) => JSON.parse(line) as Record<string, string>)
  expect(logged, stderr).toMatchObject([{ msg: 'beside it' }, { msg: 'of the envelope' }])
  expect(logged[0]).not.toHaveProperty('trace_id')
  expect(logged[1]).toMatchObject({ trace_id: begun?.['id'] })
})
