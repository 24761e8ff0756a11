// Migrations: the `.sql` files of one folder, `0001-mailbox.sql` and on, each applied once, in order,
// forward only, in a transaction of its own, and recorded in `<schema>.migration` with a checksum.
//
// Any number of replicas may migrate at once: each step is taken under the lock of that table. A
// recorded migration without a file is left alone: it is a newer release's, and this is an older
// replica that was started again during the roll-out.

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { Logger } from './log.ts'
import { connectPostgres, transaction } from './postgres.ts'

const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/
/** What one migration may take. */
export const MIGRATION_MS_MAX = 600_000

interface Migration {
  readonly number: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/**
 * Brings `schema` up to date with the files of `folder`, as the role of `url`. Makes the schema if
 * there is none: a file that does so too must say `if not exists`. Throws, with the file's name, if
 * one fails, or was changed after it was applied.
 */
export async function migrate(
  url: string,
  folder: string,
  schema: string,
  log?: Logger,
): Promise<void> {
  const migrations = await readMigrations(folder)
  const pool = await connectPostgres({
    url,
    poolMax: 1,
    statementTimeoutMs: MIGRATION_MS_MAX,
    queryTimeoutMs: MIGRATION_MS_MAX,
    idleInTransactionTimeoutMs: MIGRATION_MS_MAX,
  })
  try {
    await makeTable(pool, schema)
    for (const migration of migrations) {
      const isNew = await transaction(pool, (client) => step(client, schema, migration))
      if (isNew) log?.info({ schema, migration: migration.name }, 'migrated')
    }
  } finally {
    await pool.end()
  }
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (name, index) => {
      const number = Number(FILE_NAME.exec(name)?.[1])
      if (number !== index + 1)
        throw new Error(`${join(folder, name)}: expected number ${index + 1}`)
      const sql = await readFile(join(folder, name), 'utf8')
      return { number, name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

// Two replicas may make the schema or the table at the same moment: `if not exists` looks before it
// locks, so the later one can still meet a duplicate. By then it is there.
const MADE_MEANWHILE = new Set(['23505', '42710', '42P06', '42P07'])

async function makeTable(pool: pg.Pool, schema: string): Promise<void> {
  const name = pg.escapeIdentifier(schema)
  const statements = [
    `create schema if not exists ${name}`,
    `create table if not exists ${name}.migration (
       number int primary key,
       name text not null,
       checksum text not null,
       applied_at timestamptz not null default now()
     )`,
  ]
  for (const statement of statements) {
    await pool.query(statement).catch((error: unknown) => {
      if (!MADE_MEANWHILE.has(String((error as { code?: unknown }).code))) throw error
    })
  }
}

/** Applies one migration unless it has been; true: it was applied now. */
async function step(client: pg.PoolClient, schema: string, migration: Migration) {
  const table = `${pg.escapeIdentifier(schema)}.migration`
  await client.query(`lock table ${table} in share row exclusive mode`)
  const { rows } = await client.query<{ checksum: string }>(
    `select checksum from ${table} where number = $1::int`,
    [migration.number],
  )
  if (rows[0] !== undefined) {
    if (rows[0].checksum === migration.checksum) return false
    throw new Error(`${migration.name} was changed after it was applied: add a new one instead`)
  }
  await client.query(migration.sql).catch((error: unknown) => {
    throw new Error(`${migration.name}: ${(error as Error).message}`, { cause: error })
  })
  await client.query(
    `insert into ${table} (number, name, checksum) values ($1::int, $2::text, $3::text)`,
    [migration.number, migration.name, migration.checksum],
  )
  return true
}
