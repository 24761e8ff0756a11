// How this service speaks to Postgres: in transactions that are tried again when Postgres has
// deadlocked them, and each with the epoch of the connection that it runs on. Every other failure is
// thrown as chassis has it; one that came with the commit leaves the outcome unknown.

import { type InPipeline, retrying, sendTogether, transaction } from '@twotick/chassis'
import type { AccountId } from '@twotick/protocol'
import type { ClientBase, Pool, PoolClient, QueryResultRow } from 'pg'
import { epochOf } from './epoch.ts'
import { onCitus, readShards, type Shards, shardsOf } from './shards.ts'

export type Database = Pool

/** A statement with a name is prepared once a connection. */
export interface Statement {
  readonly name?: string
  readonly text: string
  readonly values?: readonly unknown[]
}

export interface Queries {
  /** Of the store that this connection leads to. */
  readonly epoch: string
  readonly shards: Shards
  rows<R extends QueryResultRow>(statement: Statement): Promise<R[]>
  /** Sends a statement along with the commit, which fails if it does. What it finds is not told. */
  last(statement: Statement): void
}

/** Runs `work` in a transaction, and again if that was deadlocked: it has no other effect. */
export function transact<T>(db: Database, work: (tx: Queries) => Promise<T>): Promise<T> {
  return retrying(() =>
    transaction(db, async (client, pipeline) => work(await queriesOn(client, pipeline))),
  )
}

/** Runs `work` on one connection, each statement a transaction of its own. */
export async function withQueries<T>(
  db: Database,
  work: (queries: Queries) => Promise<T>,
): Promise<T> {
  const client = await db.connect()
  let isUsable = false
  try {
    const result = await work(await queriesOn(client))
    isUsable = true
    return result
  } finally {
    client.release(!isUsable)
  }
}

/** Without a transaction, each statement is answered, and ended, by itself. */
async function queriesOn(client: PoolClient, transaction?: InPipeline): Promise<Queries> {
  const epoch = await epochOf(client)
  const shards = shardsOf(client)
  const textOf = shards.isDistributed ? onCitus : (text: string) => text
  const query = <R extends QueryResultRow>(statement: Statement) => {
    if (transaction !== undefined) sendTogether(client)
    const text = textOf(statement.text)
    const found = client.query<R>({ ...statement, text } as { text: string })
    transaction?.sent.push(found)
    return found
  }
  return {
    epoch,
    shards,
    rows: async <R extends QueryResultRow>(statement: Statement) => {
      const [{ rows }] = await Promise.all([query<R>(statement), transaction?.begun])
      return rows
    },
    last: (statement) => {
      const written = query(statement)
      written.catch(() => undefined) // heard with the commit
      transaction?.last.push(written)
    },
  }
}

/** What a statement for the items of each shard finds, all of it. */
export async function rowsByShard<R extends QueryResultRow, T extends { accountId: AccountId }>(
  queries: Queries,
  items: readonly T[],
  statement: (items: readonly T[]) => Statement,
): Promise<R[]> {
  const groups = queries.shards.group(items, (item) => item.accountId)
  const [first] = groups
  if (first !== undefined && groups.length === 1) return queries.rows<R>(statement(first))
  return (await Promise.all(groups.map((group) => queries.rows<R>(statement(group))))).flat()
}

/** Sends a statement for the items of each shard along with the commit. */
export function lastByShard<T extends { accountId: AccountId }>(
  tx: Queries,
  items: readonly T[],
  statement: (items: readonly T[]) => Statement,
): void {
  for (const group of tx.shards.group(items, (item) => item.accountId)) tx.last(statement(group))
}

// A statement finds its rows by a nested loop over its arrays. `account_id = any($1)` beside that would
// be a condition of each inner index scan, which sorts the whole array first: with 200 accounts two
// thirds of all that Postgres did. Citus wants it, to find the shard: it stands there as a comment, which
// is taken away for Citus alone.
//
// What is read after the locks must be what they protect, not an older snapshot. On plain Postgres,
// nested loops over the arrays' order take the locks in that order, and a generic
// plan spares planning each statement anew.
const SETTINGS_SQL = `
  set default_transaction_isolation = 'read committed';
  set plan_cache_mode = force_generic_plan;
  set enable_hashjoin = off;
  set enable_mergejoin = off;
  set enable_seqscan = off;
  set enable_bitmapscan = off;
  set jit = off`

// A generic plan names no shard. How the workers plan is not set from here: what locks has an order of
// its own.
const CITUS_SETTINGS_SQL = `
  set default_transaction_isolation = 'read committed';
  set plan_cache_mode = force_custom_plan;
  set jit = off`

/** What each new connection is set to, and reads. */
export async function prepareConnection(client: ClientBase): Promise<void> {
  const { isDistributed } = await readShards(client)
  await client.query(isDistributed ? CITUS_SETTINGS_SQL : SETTINGS_SQL)
}
