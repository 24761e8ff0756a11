import type { AccountId } from '@twotick/protocol'
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { expect, test } from 'vitest'
import { testDatabase } from '../../../test/servers.ts'
import { hashOf } from '../src/shards.ts'

test('Postgres hashes an account as the store does', async () => {
  // Goal: statements are grouped by shard without asking where an account lies.
  const accountIds = Array.from({ length: 1_000 }, () => randomUUID() as AccountId)
  const database = await testDatabase()
  const client = new pg.Client(database.url)
  await client.connect()
  const { rows } = await client.query<{ hash: number }>(
    'select uuid_hash(id) as hash from unnest($1::uuid[]) with ordinality u(id, n) order by n',
    [accountIds],
  )
  await client.end()
  await database.drop()
  expect(rows.map((row) => row.hash)).toEqual(accountIds.map(hashOf))
})
