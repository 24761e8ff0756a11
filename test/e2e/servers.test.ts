// Goal: wherever this run's servers come from (binaries, containers, given URLs), they serve: two
// databases of one template are apart, each role sees its schema alone, NATS and Redis answer.

import { connect } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, expect, test } from 'vitest'
import { startNats, startRedis, testDatabase } from '../servers.ts'

const undo: (() => unknown)[] = []
afterAll(async () => {
  for (const step of undo.reverse()) await step()
})

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

async function open() {
  const database = await testDatabase()
  undo.push(() => database.drop())
  return database
}

test('a database a file: what one writes, the other does not see', async () => {
  const [one, other] = [await open(), await open()]
  await query(one.url, 'create table only_here (a int)')
  const found = `select to_regclass('only_here') is not null as found`
  expect(await query(one.url, found)).toEqual([{ found: true }])
  expect(await query(other.url, found)).toEqual([{ found: false }])
})

test('each service reads and writes its own schema, no other, and makes nothing', async () => {
  const database = await open()
  const rights = `select has_schema_privilege('mailbox', 'usage') as mailbox,
    has_schema_privilege('directory', 'usage') as directory,
    has_schema_privilege('public', 'create') or has_schema_privilege('mailbox', 'create')
      or has_schema_privilege('directory', 'create') as makes`
  const store = { mailbox: true, directory: false, makes: false }
  expect(await query(database.storeUrl, rights)).toEqual([store])
  const directory = { mailbox: false, directory: true, makes: false }
  expect(await query(database.directoryUrl, rights)).toEqual([directory])
  expect(await query(database.storeUrl, 'select from mailbox.entry')).toEqual([])
  await expect(query(database.directoryUrl, 'select from mailbox.entry')).rejects.toThrow(
    'permission denied',
  )
})

test('NATS carries a message', async () => {
  const server = await startNats()
  undo.push(() => server.stop())
  const connection = await connect({ servers: server.url })
  const subscription = connection.subscribe('greeting', { max: 1 })
  connection.publish('greeting', 'hello')
  for await (const message of subscription) expect(message.string()).toBe('hello')
  await connection.close()
})

test('Redis keeps a value', async () => {
  const server = await startRedis()
  undo.push(() => server.stop())
  const redis = new Redis(server.url)
  await redis.set('key', 'value')
  expect(await redis.get('key')).toBe('value')
  await redis.quit()
})
