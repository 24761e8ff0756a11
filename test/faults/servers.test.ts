// Goal: a test can stop, kill, pause and start again a server of its own; what Postgres has
// committed survives each of them.

import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startNats, startPostgres, startRedis, type TestPostgresServer } from '../servers.ts'
import { waitFor } from '../wait.ts'

let postgres: TestPostgresServer
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())

async function query(text: string, timeoutMs = 10_000) {
  const client = new pg.Client({
    connectionString: postgres.database.url,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query(text)).rows
  } finally {
    await client.end().catch(() => undefined)
  }
}

test('Postgres: stopped, killed and started again, it has what was committed', async () => {
  await query('create table kept (a int)')
  for (const end of [() => postgres.stop(), () => postgres.kill()]) {
    await query('insert into kept values (1)')
    await end()
    await expect(query('select 1')).rejects.toThrow()
    await postgres.restart()
  }
  expect(await query('select count(*)::int as rows from kept')).toEqual([{ rows: 2 }])
})

test('Postgres: killed, all of it dies, also a process that hears of nothing', async () => {
  for (let round = 1; round <= 5; round++) {
    const client = new pg.Client({ connectionString: postgres.database.url })
    client.on('error', () => undefined)
    await client.connect()
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    process.kill(rows[0]!.pid, 'SIGSTOP')
    await postgres.kill() // returns once all of it is dead
    await postgres.restart()
  }
  expect(await query('select 1 as one')).toEqual([{ one: 1 }])
})

test('Postgres: paused it answers nothing, resumed it does', async () => {
  postgres.pause()
  await expect(query('select 1', 500)).rejects.toThrow(/timeout/i)
  postgres.resume()
  await waitFor(() => query('select 1'))
})

test.each([
  ['NATS', startNats],
  ['Redis', startRedis],
])(
  '%s: killed and started again under the same address, stopped while paused',
  async (_, start) => {
    const server = await start({ own: true })
    const { url, pid } = server
    await server.kill()
    await server.restart()
    expect(server.url).toBe(url)
    expect(server.pid).not.toBe(pid)
    server.pause()
    await server.stop()
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
  },
)
