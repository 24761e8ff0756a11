// Postgres writes its log (WAL) into files of 16 MiB. One that has run for a while uses those again
// that a checkpoint has done with. A new one has none, and fills each with zeros first, while whoever
// commits waits: 30 to 60 ms, once a second under load. What is measured is one that has run.

import pg from 'pg'

const FILES = 64 // what Postgres keeps by default (max_wal_size)

/**
 * Has what the log has next, half a GiB and up to one, go into files that were used before (a
 * checkpoint that Postgres makes by itself meanwhile takes some again). Takes 3 s, and a superuser.
 */
export async function useUpLog(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    for (let count = 0; count < FILES; count++) {
      await client.query(`select pg_logical_emit_message(false, 'bench', 'in use')`)
      await client.query('select pg_switch_wal()')
    }
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}
