// Beyond one Postgres: on Citus the mailboxes lie spread over the workers, by account. The directory
// stays on the coordinator: it is small, its names are unique over all accounts, and what reads it
// keeps it in a cache.

import type { Logger } from '@twotick/chassis'
import pg from 'pg'

// Those of one account lie in one place: `mailbox` first, the others beside it.
const TABLES = ['mailbox.mailbox', 'mailbox.sender', 'mailbox.entry']

// As they are on one Postgres (0003-keys.sql); Citus distributes no table with triggers, and moves the
// shards of those with a primary key.
const WITH_KEYS = [
  { table: 'mailbox.mailbox', key: 'account_id', index: 'mailbox.mailbox_by_account' },
  { table: 'mailbox.sender', key: 'account_id, device_id', index: 'mailbox.sender_by_device' },
]

const DISTRIBUTE_MS_MAX = 3_600_000

/**
 * Spreads the mailboxes of the database of a Citus coordinator over its workers, with what they hold.
 * Whoever writes meanwhile waits. Does nothing on one that has them spread.
 */
export async function distribute(url: string, log?: Logger): Promise<void> {
  const client = new pg.Client({ connectionString: url, query_timeout: DISTRIBUTE_MS_MAX })
  client.on('error', () => undefined) // the query in flight fails with it
  await client.connect()
  try {
    const workers = await countWorkers(client)
    await giveBackPrimaryKeys(client)
    for (const table of TABLES) {
      if (await isDistributed(client, table)) continue
      await client.query(`select create_distributed_table($1, 'account_id', colocate_with => $2)`, [
        table,
        table === TABLES[0] ? 'default' : TABLES[0],
      ])
      await client.query('select truncate_local_data_after_distributing_table($1)', [table])
      log?.info({ table, workers }, 'distributed')
    }
  } finally {
    await client.end()
  }
}

async function giveBackPrimaryKeys(client: pg.Client): Promise<void> {
  for (const { table, key, index } of WITH_KEYS) {
    const { rowCount: hasKeys } = await client.query(
      `select from pg_trigger where tgrelid = $1::regclass and tgname = 'keep_key'`,
      [table],
    )
    if (hasKeys === 0) continue
    // One query, so one transaction.
    await client.query(`
      alter table ${table} add primary key (${key});
      drop trigger keep_key on ${table};
      drop index ${index}`)
  }
}

async function countWorkers(client: pg.Client): Promise<number> {
  const { rowCount: hasCitus } = await client.query(
    `select from pg_extension where extname = 'citus'`,
  )
  if (hasCitus === 0) {
    throw new Error('this database has no Citus: `create extension citus` on it and on each worker')
  }
  const { rowCount: workers } = await client.query(`
    select from pg_dist_node where isactive and shouldhaveshards and noderole = 'primary'`)
  if (!workers) {
    throw new Error('Citus knows no worker here: `select citus_add_node(host, port)` for each')
  }
  return workers
}

async function isDistributed(client: pg.Client, table: string): Promise<boolean> {
  const { rowCount } = await client.query(
    'select from pg_dist_partition where logicalrelid = $1::regclass',
    [table],
  )
  return rowCount === 1
}
