// How this service speaks to Postgres: in transactions that are tried again when Postgres has
// deadlocked them, and each with the epoch of the connection that it runs on. Every other failure is
// thrown as chassis has it; one that came with the commit leaves the outcome unknown.

import { type InPipeline, retrying, transaction } from '@twotick/chassis'
import type { Duplex } from 'node:stream'
import type { Pool, PoolClient, QueryResultRow } from 'pg'
import { epochOf } from './epoch.ts'

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
    const result = await work(await queriesOn(client, { begun: Promise.resolve(), last: [] }))
    isUsable = true
    return result
  } finally {
    client.release(!isUsable)
  }
}

async function queriesOn(client: PoolClient, { begun, last }: InPipeline): Promise<Queries> {
  const epoch = await epochOf(client)
  const query = <R extends QueryResultRow>(statement: Statement) => {
    sendTogether(client)
    return client.query<R>(statement as { text: string })
  }
  return {
    epoch,
    rows: async <R extends QueryResultRow>(statement: Statement) => {
      const [{ rows }] = await Promise.all([query<R>(statement), begun])
      return rows
    },
    last: (statement) => {
      const sent = query(statement)
      sent.catch(() => undefined) // heard with the commit
      last.push(sent)
    },
  }
}

/** The statements of one turn go out in one write: a system call, and a wake-up of Postgres, less. */
function sendTogether(client: PoolClient): void {
  const { stream } = (client as unknown as { connection: { stream: Duplex } }).connection
  stream.cork()
  process.nextTick(() => stream.uncork())
}

// A statement finds its rows by a nested loop over its arrays. `account_id = any($1)` beside that would
// be a condition of each inner index scan, which sorts the whole array first: with 200 accounts two
// thirds of all that Postgres did. Citus wants it, to find the shards: it stands there as a comment.
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

/** What each new connection is set to. */
export async function prepareConnection(client: {
  query(text: string): Promise<unknown>
}): Promise<void> {
  await client.query(SETTINGS_SQL)
}
