import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ConfigError, configHelp, describeConfig, printedConfig, readConfig } from './config.ts'
import { flag, listen, oneOf, parseListen, postgresFields, secret, text, whole } from './field.ts'

const schema = z.object({
  postgres: postgresFields(),
  listen: listen('where it answers'),
  windowBytesMax: whole('bytes of a window', { default: 1_024, max: 4_096 }),
  registration: oneOf('who may register', ['open', 'token'], 'token'),
  isDryRun: flag('only count', false),
  key: secret('the key').optional(),
  greeting: text('said first').default('hello'),
})

const whatIsNeeded = {
  TWOTICK_POSTGRES_URL: 'postgres://store:hush@db/twotick?host=/run',
  TWOTICK_LISTEN: '127.0.0.1:7400',
}

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(schema, environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

test('what is not set has its default, in its own type', () => {
  const config = readConfig(schema, { ...whatIsNeeded, TWOTICK_GREETING: '', PATH: '/bin' })
  expect(config).toMatchObject({
    postgres: { url: whatIsNeeded.TWOTICK_POSTGRES_URL, poolMax: 10 },
    windowBytesMax: 1_024,
    registration: 'token',
    isDryRun: false,
    greeting: 'hello',
  })
  expect(config.key).toBeUndefined()
})

test('what is set is read by its name, nested names included', () => {
  const config = readConfig(schema, {
    ...whatIsNeeded,
    TWOTICK_POSTGRES_POOL_MAX: '3',
    TWOTICK_WINDOW_BYTES_MAX: '4096',
    TWOTICK_IS_DRY_RUN: 'true',
  })
  expect(config.postgres.poolMax).toBe(3)
  expect(config.windowBytesMax).toBe(4_096)
  expect(config.isDryRun).toBe(true)
})

test('everything that is wrong is said at once, the lifecycle’s variables included', () => {
  const problems = problemsOf({
    TWOTICK_LISTEN: 'nowhere',
    TWOTICK_WINDOW_BYTES_MAX: '1e3',
    TWOTICK_REGISTRATION: 'closed',
    TWOTICK_LOG_LEVEL: 'loud',
    TWOTICK_DRAIN_SECONDS: '3',
  })
  expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual([
    'TWOTICK_DRAIN_SECONDS',
    'TWOTICK_LISTEN',
    'TWOTICK_LOG_LEVEL',
    'TWOTICK_POSTGRES_URL',
    'TWOTICK_REGISTRATION',
    'TWOTICK_WINDOW_BYTES_MAX',
  ])
  expect(problems).toContain('TWOTICK_POSTGRES_URL: is missing')
})

test('a mistyped number does not become the default', () => {
  for (const value of ['', '0', '4097', '12k', '-1', '1.5', ' 5', '0x10', 'NaN']) {
    const problems = problemsOf({ ...whatIsNeeded, TWOTICK_WINDOW_BYTES_MAX: value })
    expect(problems, value).toHaveLength(value === '' ? 0 : 1)
  }
})

test('an unknown variable is an error that names the closest known one', () => {
  expect(problemsOf({ ...whatIsNeeded, TWOTICK_WINDOW_BYTE_MAX: '5' })).toEqual([
    'TWOTICK_WINDOW_BYTE_MAX: is unknown; the closest one is TWOTICK_WINDOW_BYTES_MAX',
  ])
})

test('what the command line client reads is no mistake', () => {
  expect(problemsOf({ ...whatIsNeeded, TWOTICK_URL: 'wss://relay.example' })).toEqual([])
})

test('a secret may come from a file, and says so if that cannot be read', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'twotick-')), 'key')
  writeFileSync(file, 'of the file\n')
  const environment = { ...whatIsNeeded, TWOTICK_KEY_FILE: file }
  expect(readConfig(schema, environment).key).toBe('of the file')
  expect(printedConfig(schema, environment)).toContain('TWOTICK_KEY=***')
  expect(problemsOf({ ...whatIsNeeded, TWOTICK_KEY_FILE: `${file}.gone` })).toEqual([
    expect.stringContaining('TWOTICK_KEY: cannot be read from'),
  ])
  expect(problemsOf({ ...whatIsNeeded, TWOTICK_GREETING_FILE: file })).toHaveLength(1)
})

test('what is printed hides every secret and shows the defaults', () => {
  const printed = printedConfig(schema, { ...whatIsNeeded, TWOTICK_KEY: 'sesame' })
  expect(printed).not.toMatch(/hush|sesame/)
  expect(printed).toContain('TWOTICK_POSTGRES_URL=postgres://store:***@db/twotick?host=/run')
  expect(printed).toContain('TWOTICK_WINDOW_BYTES_MAX=1024')
  expect(printed).toContain('TWOTICK_DRAIN_MS=10000')
})

test('every variable is described, with its default and meaning', () => {
  const rows = describeConfig(schema)
  expect(rows.every((row) => row.meaning !== '')).toBe(true)
  expect(rows.find((row) => row.variable === 'TWOTICK_KEY')).toMatchObject({
    required: false,
    secret: true,
  })
  expect(rows.find((row) => row.variable === 'TWOTICK_LISTEN')?.required).toBe(true)
  const help = configHelp('envelope-store', schema)
  for (const { variable, meaning } of rows) {
    expect(help).toContain(variable)
    expect(help).toContain(meaning)
  }
})

test('an address to listen on comes apart into host and port', () => {
  expect(parseListen('127.0.0.1:0')).toEqual({ host: '127.0.0.1', port: 0 })
  expect(parseListen('[::1]:7400')).toEqual({ host: '::1', port: 7_400 })
})
