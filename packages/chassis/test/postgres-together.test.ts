import type { Duplex } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startPostgres, type TestPostgresServer } from '../../../test/servers.ts'
import { connectPostgres, createLog, sendTogether, transaction } from '../src/index.ts'

let server: TestPostgresServer
let pool: pg.Pool

beforeAll(async () => {
  server = await startPostgres()
})

afterAll(() => server.stop())

afterEach(() => pool.end())

async function open(statementTimeoutMs = 2_000) {
  const settings = { url: server.database.url, poolMax: 1, statementTimeoutMs }
  pool = await connectPostgres(settings, { log: createLog('test', 'silent'), pipeline: true })
  return pool
}

const ADD = { name: 'add', text: 'select $1::int8 + $2::int8 as sum, null as nothing' }
const SLEEP = { name: 'sleep', text: 'select pg_sleep(0.05)' }
const DIVIDE = { name: 'divide', text: 'select 1 / $1::int as part' }

test('what is asked in one turn has one answer', async () => {
  const client = await (await open()).connect()
  const { stream } = (client as unknown as { connection: { stream: Duplex } }).connection
  let answers = 0
  stream.on('data', () => answers++)
  sendTogether(client)
  await Promise.all([
    client.query({ ...ADD, values: [1, 2] }),
    client.query(SLEEP),
    client.query({ ...ADD, values: [3, 4] }),
  ])
  expect(answers).toBe(1)
  client.release()
})

test('each query has its own rows, the first time and when their shape is known', async () => {
  await open()
  await pool.query('create temp table shelf (n int8)')
  const insert = { name: 'insert', text: 'insert into shelf values ($1)' }
  const count = { name: 'count', text: 'select count(*) as of_all from shelf' }
  for (let n = 1; n <= 3; n++) {
    const found = await transaction(pool, (client) =>
      Promise.all([
        client.query({ ...ADD, values: [n, 10] }),
        client.query({ ...insert, values: [n] }),
        client.query(count),
        client.query('select $1::text as unnamed', [`no. ${n}`]),
      ]),
    )
    expect(found.map(({ rows }) => rows)).toEqual([
      [{ sum: n + 10, nothing: null }],
      [],
      [{ of_all: n }],
      [{ unnamed: `no. ${n}` }],
    ])
  }
})

test('what stands behind a query that fails fails with it; what stands before has its rows', async () => {
  await open()
  const client = await pool.connect()
  sendTogether(client)
  const before = client.query({ ...ADD, values: [1, 2] })
  async function divideByZero() {
    await client.query({ ...DIVIDE, values: [0] })
  }
  const outcomes = await Promise.allSettled([before, divideByZero(), client.query(SLEEP)])
  expect(outcomes).toMatchObject([
    { status: 'fulfilled', value: { rows: [{ sum: 3 }] } },
    { status: 'rejected', reason: { stack: expect.stringContaining('divideByZero') } },
    { status: 'rejected', reason: { code: '22012' } },
  ])
  // What was never looked at is prepared when it is asked again.
  sendTogether(client)
  const again = [client.query({ ...DIVIDE, values: [1] }), client.query(SLEEP)]
  expect((await Promise.all(again)).map(({ rows }) => rows[0])).toMatchObject([{ part: 1 }, {}])
  client.release()
})

test('a commit behind a statement that fails commits nothing, and is known to have had no effect', async () => {
  await open(100)
  await pool.query('create table ledger (n int)')
  const failing = transaction(pool, async (client, { begun, last }) => {
    await begun
    sendTogether(client)
    last.push(client.query('insert into ledger values (1)'), client.query('select pg_sleep(5)'))
    for (const each of last) each.catch(() => undefined)
  })
  await expect(failing).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', hadNoEffect: true })
  expect((await pool.query('select n from ledger')).rows).toEqual([])
})

test('nothing of what was found stays with the connection', async () => {
  await open()
  const rows = await transaction(pool, async (client) => {
    return new WeakRef((await client.query({ ...ADD, values: [1, 2] })).rows)
  })
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await expect.poll(() => (collect(), rows.deref())).toBeUndefined()
})

test('a connection goes on after a transaction that had asked for more when it failed', async () => {
  await open()
  const whoAmI = async () => (await pool.query('select pg_backend_pid() as pid')).rows
  const before = await whoAmI()
  const failing = transaction(pool, async (client) => {
    const chain = client.query({ ...ADD, values: [1, 2] }).then(() => {
      sendTogether(client)
      return client.query(SLEEP)
    })
    await Promise.all([chain, client.query({ ...DIVIDE, values: [0] })])
  })
  await expect(failing).rejects.toMatchObject({ code: '22012' })
  expect(await whoAmI()).toEqual(before)
})

test('a statement that says nothing has no rows, and takes nobody’s', async () => {
  await open()
  const found = await transaction(pool, (client) =>
    Promise.all([client.query('-- nothing'), client.query({ ...ADD, values: [1, 2] })]),
  )
  expect(found.map(({ rows }) => rows)).toMatchObject([[], [{ sum: 3 }]])
})

test('a value that cannot be sent is told to all, and the next ones have a new connection', async () => {
  await open()
  const client = await pool.connect()
  const unspeakable = {
    toPostgres() {
      throw new Error('unspeakable')
    },
  }
  sendTogether(client)
  const asked = [client.query(SLEEP), client.query({ ...ADD, values: [1, unspeakable] })]
  for (const outcome of await Promise.allSettled(asked)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'unspeakable' } })
  }
  client.release(true)
  expect((await pool.query({ ...ADD, values: [1, 2] })).rows).toMatchObject([{ sum: 3 }])
})
