// A host that vanishes without a word, with all of a pool's connections; whoever connects anew reaches
// the one that has taken its place.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { startPostgres, type TestPostgresServer } from '../../../test/servers.ts'
import { connectPostgres, createLog, transaction } from '../src/index.ts'

const SOCKET = '.s.PGSQL.5432'
const IDLE = 5

let server: TestPostgresServer
let folder: string
let host: Server
let pool: pg.Pool
/** How the connections so far are: one that is cut ends once something is asked. */
let state: { now: 'silent' | 'cut' | undefined }

beforeAll(async () => {
  server = await startPostgres()
})

afterAll(() => server.stop())

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vanishing-'))
  state = { now: undefined }
  const upstream = /host=([^&]*)/.exec(server.database.url)?.[1] ?? ''
  host = createServer((near) => passOn(near, decodeURIComponent(upstream)))
  await once(host.listen(join(folder, SOCKET)), 'listening')
})

afterEach(async () => {
  await pool.end()
  host.close()
  rmSync(folder, { recursive: true })
})

function passOn(near: Socket, upstream: string): void {
  const far = connect(join(upstream, SOCKET))
  const ours = state
  near.on('data', (bytes) => {
    if (ours.now === undefined) far.write(bytes)
    if (ours.now !== 'cut') return
    ours.now = 'silent'
    near.destroy()
  })
  far.on('data', (bytes) => ours.now === undefined && near.write(bytes))
  near.on('error', () => undefined).on('close', () => far.destroy())
  far.on('error', () => undefined).on('close', () => near.destroy())
}

/** From now on no connection so far is answered; with `cut` the first that is asked is ended instead. */
function vanish(how: 'silent' | 'cut' = 'silent'): void {
  state.now = how
  state = { now: undefined }
}

async function open({ pipeline = false } = {}) {
  const url = server.database.url.replace(/host=[^&]*/, `host=${encodeURIComponent(folder)}`)
  const log = createLog('test', 'silent')
  const settings = { url, poolMax: 2 * IDLE, queryTimeoutMs: 400 }
  pool = await connectPostgres(settings, { log, pipeline })
  await Promise.all(Array.from({ length: IDLE }, () => pool.query('select pg_sleep(0.1)')))
  expect(pool.idleCount).toBe(IDLE)
}

const inTransaction = () => transaction(pool, (client) => client.query('select 1'))
const byItself = () => pool.query('select 1')

async function failuresInARow(ask: () => Promise<unknown>): Promise<number> {
  for (let failures = 0; ; failures++) {
    const isAnswered = await ask().then(
      () => true,
      () => false,
    )
    if (isAnswered) return failures
  }
}

test.each([
  { asked: 'in a transaction', ask: inTransaction, pipeline: false, how: 'silent' },
  { asked: 'in a pipeline', ask: inTransaction, pipeline: true, how: 'silent' },
  { asked: 'by itself', ask: byItself, pipeline: false, how: 'silent' },
  { asked: 'in a pipeline', ask: inTransaction, pipeline: true, how: 'cut' },
] as const)('a pool of dead connections fails once ($asked, $how)', async (given) => {
  const { ask, pipeline, how } = given
  await open({ pipeline })
  vanish(how)
  expect(await failuresInARow(ask)).toBe(1)
})

test('what has answered since a silence is lent again, what has not is not', async () => {
  await open()
  const lost = await Promise.all(Array.from({ length: IDLE }, () => pool.connect()))
  vanish()
  const [answering, quiet] = await Promise.all([pool.connect(), pool.connect()])
  await expect(lost[0]?.query('select 1')).rejects.toThrow('Query read timeout')
  await answering.query('select 1')
  // The last is lent first.
  for (const client of [answering, quiet]) client.release()
  const isOpened = vi.fn()
  pool.on('connect', isOpened)
  for (let count = 0; count < 3; count++) {
    const client = await pool.connect()
    expect(client).toBe(answering)
    client.release()
  }
  expect(isOpened).not.toHaveBeenCalled()
  for (const client of lost) client.release(true)
})
