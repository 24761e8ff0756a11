// Goal: what `npm run build` makes runs by itself, far from this checkout and its node_modules: the
// files that programs read are beside them, and the licences of what is inside.

import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import {
  createDatabase,
  dropDatabase,
  withDatabase,
  withRole,
} from '../../scripts/servers/database.ts'
import type {} from '../global-setup.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROGRAMS = ['gateway', 'delivery-fanout', 'migrate', 'secrets']
const DATABASE = 'twotick_bundles'

let folder: string

beforeAll(async () => {
  await run([join(ROOT, 'scripts/build.ts'), ...PROGRAMS])
  folder = mkdtempSync(join(tmpdir(), 'twotick-bundles-'))
  for (const name of PROGRAMS) {
    cpSync(join(ROOT, 'dist', name), join(folder, name), { recursive: true })
  }
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs Node with an environment of its own; the output is that of both streams. */
async function run(args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const options = { env: { PATH: process.env['PATH'], ...env }, cwd: tmpdir() }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, options)
  return stdout + stderr
}

function bundle(name: string, file = 'main.js'): string {
  return join(folder, name, file)
}

it('a service starts, preload and all, and finds its Lua scripts', async () => {
  const preload = `--import=${bundle('gateway', 'telemetry.js')}`
  expect(await run([preload, bundle('gateway'), '--help'])).toContain('TWOTICK_AUDIENCES')
  expect(existsSync(bundle('gateway', 'set.lua'))).toBe(true)
  expect(existsSync(bundle('gateway', 'clear.lua'))).toBe(true)
  expect(existsSync(bundle('delivery-fanout', 'read.lua'))).toBe(true)
})

it('the licences of the packages are with them', () => {
  const text = readFileSync(bundle('gateway', 'LICENSES.txt'), 'utf8')
  for (const name of ['@grpc/grpc-js', 'ioredis', 'ws', 'zod', 'pino']) {
    expect(text).toMatch(new RegExp(`^${name} \\d+\\.`, 'm'))
  }
})

it('secrets are made once, and stay', async () => {
  const secrets = join(folder, 'made')
  const env = { TWOTICK_SECRETS_FOLDER: secrets }
  const read = () =>
    readdirSync(secrets, { recursive: true, encoding: 'utf8' })
      .filter((path) => statSync(join(secrets, path)).isFile())
      .map((path) => [path, readFileSync(join(secrets, path), 'utf8')])
  expect(await run([bundle('secrets')], env)).toContain('secrets are made')
  const first = read()
  expect(first.length).toBeGreaterThan(8)
  for (const [path, text] of first) expect(text?.trim().length, path).toBeGreaterThan(16)
  expect(await run([bundle('secrets')], env)).toContain('all secrets are there')
  expect(read()).toEqual(first)
})

it('a database is brought up to date, and its roles get their passwords', async () => {
  const { server } = inject('postgres')
  await createDatabase(server, DATABASE)
  try {
    const env = {
      TWOTICK_POSTGRES_URL: withDatabase(server, DATABASE),
      TWOTICK_STORE_PASSWORD: 'of the store',
    }
    for (const round of ['first', 'again']) {
      expect(await run([bundle('migrate')], env), round).toContain('up to date')
    }
    const client = new pg.Client({ connectionString: env.TWOTICK_POSTGRES_URL })
    await client.connect()
    const { rows } = await client.query(
      `select rolname, rolpassword is not null as has_password from pg_authid
        where rolname like 'twotick%' order by rolname`,
    )
    const tables = await client.query(`select from mailbox.mailbox, directory.account`)
    await client.query('alter role twotick_store password null')
    await client.end()
    expect(tables.rowCount).toBe(0)
    expect(rows).toContainEqual({ rolname: 'twotick_store', has_password: true })
  } finally {
    await dropDatabase(server, DATABASE)
  }
})

it('an owner who may make no roles brings a database up to date that has them', async () => {
  // Goal: where an operator of Postgres makes the roles, the migrations need no right to.
  const { server } = inject('postgres')
  const owner = `${DATABASE}_owner`
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    await client.query(`create role ${owner} login nosuperuser nocreaterole`)
    await client.query(`create database ${owner} owner ${owner}`)
    const url = withRole(withDatabase(server, owner), owner)
    expect(await run([bundle('migrate')], { TWOTICK_POSTGRES_URL: url })).toContain('up to date')
  } finally {
    await client.query(`drop database if exists ${owner} with (force)`)
    await client.query(`drop role if exists ${owner}`)
    await client.end()
  }
})
