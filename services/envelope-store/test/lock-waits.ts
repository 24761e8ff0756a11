// Who waits for a lock, seen from outside. On Citus what waits is on the node that has the shard.

import { waitFor } from '../../../test/wait.ts'
import type { TestStore } from './store.ts'

type Asked = Pick<TestStore, 'rows'>

const waitingSql = `
  select count(*)::int as count from pg_stat_activity
   where usename = 'twotick_store' and datname = current_database() and wait_event_type = 'Lock'`

const everywhereSql = `
  select sum(result::int)::int as count from run_command_on_all_nodes($1::text)`

/** Waits until so many of the store's transactions wait for a lock. */
export async function untilWaiting(store: Asked, count: number): Promise<void> {
  const [citus] = await store.rows(`select from pg_extension where extname = 'citus'`)
  const ask = () =>
    citus === undefined
      ? store.rows<{ count: number }>(waitingSql)
      : store.rows<{ count: number }>(everywhereSql, [waitingSql])
  await waitFor(async () => (await ask())[0]?.count === count, { what: `${count} lock waits` })
}
