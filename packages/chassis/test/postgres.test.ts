import { setTimeout as wait } from 'node:timers/promises'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { leftBy } from '../../../test/heap.ts'
import { startPostgres, type TestPostgresServer } from '../../../test/servers.ts'
import { connectPostgres, createLog, Failure, retrying, transaction } from '../src/index.ts'

let server: TestPostgresServer
const pools: pg.Pool[] = []
const log = createLog('test', 'silent')

beforeAll(async () => {
  server = await startPostgres()
})

afterAll(() => server.stop())

afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.end()
})

async function open(settings: Partial<Parameters<typeof connectPostgres>[0]> = {}) {
  const pool = await connectPostgres({ url: server.database.url, ...settings }, { log })
  pools.push(pool)
  return pool
}

test('where a row is comes back as a number, in the order of places', async () => {
  // Goal: what is read as a place is written as that place (envelope-store's tidArray).
  const pool = await open()
  const { rows } = await pool.query(`select '(70000,12)'::tid as place`)
  expect(rows).toEqual([{ place: 70_000 * 2 ** 16 + 12 }])
})

test('int8 comes back as a number, and is refused where a number cannot hold it', async () => {
  const pool = await open()
  const { rows } = await pool.query(`select 9007199254740991::int8 as n, '{1,null}'::int8[] as a`)
  expect(rows).toEqual([{ n: Number.MAX_SAFE_INTEGER, a: [1, null] }])
  await expect(pool.query('select 9007199254740992::int8')).rejects.toThrow('2^53')
  expect((await pool.query('select 1::int8 as n')).rows).toEqual([{ n: 1 }])
})

test('the hook runs once on each new connection, before anything else', async () => {
  const seen: string[] = []
  const pool = await connectPostgres(
    { url: server.database.url, poolMax: 2 },
    {
      onConnect: async (client) => {
        await client.query(`set application_name = 'hooked'`)
        seen.push('hook')
      },
    },
  )
  pools.push(pool)
  const show = () => pool.query('show application_name')
  await Promise.all([show(), show(), show(), show()])
  expect((await show()).rows).toEqual([{ application_name: 'hooked' }])
  expect(seen).toHaveLength(2)
})

test('connections are there for the next burst, and not for ever', async () => {
  const pool = await open()
  const burst = () => Promise.all([1, 2, 3].map(() => pool.query('select')))
  await burst()
  const isOpened = vi.fn()
  pool.on('connect', isOpened)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    for (const sinceMs of [15_000, 45_000]) {
      await burst()
      vi.advanceTimersByTime(sinceMs)
    }
    await burst()
    expect(isOpened).not.toHaveBeenCalled()
    vi.advanceTimersByTime(90_000)
    expect(pool.totalCount).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('a transaction commits, or leaves nothing and gives its connection back', async () => {
  const pool = await open({ poolMax: 1 })
  await pool.query('create table shelf (n int primary key)')
  await transaction(pool, (client) => client.query('insert into shelf values (1)'))
  const bug = transaction(pool, async (client) => {
    await client.query('insert into shelf values (2)')
    throw new Error('a bug')
  })
  await expect(bug).rejects.toThrow('a bug')
  await expect(
    transaction(pool, (client) => client.query('insert into shelf values (1)')),
  ).rejects.toMatchObject({ code: '23505' })
  expect((await pool.query('select n from shelf')).rows).toEqual([{ n: 1 }])
  expect(pool.totalCount).toBe(1)
})

test('two transactions that deadlock both succeed', async () => {
  const pool = await open({ statementTimeoutMs: 5_000, queryTimeoutMs: 6_000 })
  await pool.query('create table pair (n int primary key, hits int not null default 0)')
  await pool.query('insert into pair values (1), (2)')
  const inOrder = (first: number, second: number) =>
    retrying(() =>
      transaction(pool, async (client) => {
        await client.query('update pair set hits = hits + 1 where n = $1', [first])
        await client.query('select pg_sleep(0.1)')
        await client.query('update pair set hits = hits + 1 where n = $1', [second])
      }),
    )
  await Promise.all([inOrder(1, 2), inOrder(2, 1)])
  expect((await pool.query('select hits from pair')).rows).toEqual([{ hits: 2 }, { hits: 2 }])
})

test('a statement that takes too long is ended, and the pool goes on', async () => {
  const pool = await open({ poolMax: 1, statementTimeoutMs: 100 })
  await expect(
    transaction(pool, (client) => client.query('select pg_sleep(5)')),
  ).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', hadNoEffect: true })
  await pool.query('select 1')
})

test('what stands in a pipeline fails for what its first failing statement failed for', async () => {
  // Goal: not for being behind it, although that may be heard first.
  const pool = await connectPostgres(
    { url: server.database.url, statementTimeoutMs: 100 },
    { log, pipeline: true },
  )
  pools.push(pool)
  const failing = transaction(pool, (client, { sent }) => {
    const slow = client.query('select pg_sleep(5)')
    const behind = client.query('select 1')
    sent.push(slow, behind)
    return Promise.all([slow.finally(() => wait(10)), behind])
  })
  await expect(failing).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', hadNoEffect: true })
})

test('a stopped Postgres is given up in time, and is used again when it goes on', async () => {
  const pool = await open({ poolMax: 2, queryTimeoutMs: 300, connectTimeoutMs: 300 })
  server.pause()
  try {
    const askedAt = Date.now()
    const asked = Array.from({ length: 5 }, () =>
      transaction(pool, (client) => client.query('select 1')),
    )
    for (const result of await Promise.allSettled(asked)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } })
    }
    expect(Date.now() - askedAt).toBeLessThan(2_000)
  } finally {
    server.resume()
  }
  await expect
    .poll(() =>
      pool.query('select 1 as n').then(
        ({ rows }) => rows,
        () => [],
      ),
    )
    .toEqual([{ n: 1 }])
})

test('a query that has no answer in time says so, alone as in a transaction', async () => {
  const pool = await open({ poolMax: 1, queryTimeoutMs: 200 })
  const slow = 'select pg_sleep(1)'
  await expect(pool.query(slow)).rejects.toThrow('Query read timeout')
  await expect(transaction(pool, (client) => client.query(slow))).rejects.toThrow('read timeout')
  expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
})

test('the stack of what Postgres refuses leads to who has asked', async () => {
  const pool = await open()
  async function askWrongly() {
    await transaction(pool, async (client) => void (await client.query('selec')))
  }
  const error = await askWrongly().catch((error: Error) => error)
  expect(error).toMatchObject({ code: '42601', stack: expect.stringContaining('askWrongly') })
})

test.each([false, true])('what a query has met leaves nothing (pipeline: %s)', async (pipeline) => {
  const pool = await connectPostgres({ url: server.database.url, poolMax: 1 }, { log, pipeline })
  pools.push(pool)
  const text = `select repeat('x', 20000) as long`
  const ask = () => transaction(pool, async (client) => void (await client.query(text)))
  for (let count = 0; count < 50; count++) await ask()
  const left = await leftBy(async () => {
    for (let count = 0; count < 500; count++) await ask()
  })
  expect(left, 'of 10 MB').toBeLessThan(3_000_000)
})

test('killed: what is in flight fails as such, the process and the pool live on', async () => {
  const pool = await open({ poolMax: 3 })
  const idle = await pool.connect()
  const inFlight = transaction(pool, (client) => client.query('select pg_sleep(1.5)'))
  const lent = await pool.connect()
  idle.release()
  const failed = expect(inFlight).rejects.toBeInstanceOf(Failure)
  await server.kill()
  await failed
  await expect(lent.query('select 1')).rejects.toThrow()
  lent.release(true)
  await expect(transaction(pool, (client) => client.query('select 1'))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    hadNoEffect: true,
  })

  const late = connectPostgres({ url: server.database.url }, { log })
  await server.restart()
  expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  pools.push(await late)
})

test('a role or a database that is not there is said at once; a server that is not, in time', async () => {
  const begunAt = Date.now()
  const url = server.database.url.replace(/\/twotick\b/, '/nowhere')
  await expect(connectPostgres({ url })).rejects.toThrow('does not exist')
  await expect(
    connectPostgres({ url: 'postgres://nobody@/none?host=/nowhere', startTimeoutMs: 200 }),
  ).rejects.toThrow('ENOENT')
  expect(Date.now() - begunAt).toBeLessThan(3_000)
})
