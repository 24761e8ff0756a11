// The epoch: which history this database has. Postgres' system identifier and timeline change with
// a fresh cluster, a fail-over and a point-in-time recovery; the counter is raised by a restore of a
// logical backup. None of these happens under a connection that goes on, so each new connection
// reads it once.

import { Failure } from '@twotick/chassis'
import { createHash } from 'node:crypto'
import type { PoolClient } from 'pg'

const known = new WeakMap<PoolClient, string>()

/** The epoch as this connection sees it: 16 hexadecimal characters. */
export async function epochOf(client: PoolClient): Promise<string> {
  const remembered = known.get(client)
  if (remembered !== undefined) return remembered
  const { rows } = await client.query<{ history: string | null }>(`
    select case when not pg_is_in_recovery() then
             system_identifier::text || ':'
               || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || ':' || counter::text
           end as history
      from pg_control_system(), mailbox.epoch_counter`)
  const [row] = rows
  if (row === undefined) throw new Error('mailbox.epoch_counter has no row')
  if (row.history === null) throw new Failure('UNAVAILABLE', 'this Postgres is a standby')
  const epoch = createHash('sha256').update(row.history).digest('hex').slice(0, 16)
  known.set(client, epoch)
  return epoch
}
