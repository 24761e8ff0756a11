// One change of the directory: a transaction, tried again where Postgres asks for it, and after it
// the news of what has changed.
//
// Nothing is committed for a call that nobody waits for any more: its caller may have asked another
// replica, and undone it since. Up to the commit the rows are locked: whoever asks another replica
// waits for this one.
//
// The order in which every change locks (see migrations/0001-directory.sql): account rows in id
// order, then conversation rows in id order.

import { type CallContext, retrying, throwIfLate, transaction } from '@twotick/chassis'
import { type AccountId, type ConversationId } from '@twotick/protocol'
import type pg from 'pg'

/** What a change was about: whose cached pictures are wrong now. */
export interface Changed {
  readonly accountIds: ReadonlySet<AccountId>
  readonly conversationIds: ReadonlySet<ConversationId>
}

/** Something that reads: a snapshot, an open transaction, or the database as it is at each query. */
export interface Reader {
  query<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<Row[]>
}

/** An open transaction. */
export interface Transaction extends Reader {
  /** To be announced after the commit. */
  changedAccount(accountId: AccountId): void
  changedConversation(conversationId: ConversationId): void
}

/** Runs `work` in a transaction. `work` may run several times, each time from the start. */
export type Transact = <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>

/** Transactions for one call. */
export type TransactFor = (call: Omit<CallContext, 'caller'>) => Transact

/** Runs `work` on one snapshot. */
export type Snapshot = <T>(work: (reader: Reader) => Promise<T>) => Promise<T>

/** Reads without a transaction. */
export function createReader(db: pg.Pool | pg.PoolClient): Reader {
  return {
    query: async <Row extends pg.QueryResultRow>(query: pg.QueryConfig) =>
      (await db.query<Row>(query)).rows,
  }
}

/** Snapshots of `db`; nothing can be written in one. */
export function createSnapshot(db: pg.Pool): Snapshot {
  return (work) =>
    transaction(db, async (client) => {
      await client.query('set transaction isolation level repeatable read, read only')
      return work(createReader(client))
    })
}

/** Transactions on `db`; `announce` is called after each that changed something. */
export function createTransact(db: pg.Pool, announce: (changed: Changed) => void): TransactFor {
  return (call) => (work) =>
    retrying(async () => {
      const accountIds = new Set<AccountId>()
      const conversationIds = new Set<ConversationId>()
      try {
        return await transaction(db, async (client) => {
          const result = await work({
            ...createReader(client),
            changedAccount: (accountId) => accountIds.add(accountId),
            changedConversation: (conversationId) => conversationIds.add(conversationId),
          })
          throwIfLate(call) // in the turn in which the commit goes out
          return result
        })
      } finally {
        // Also where it failed: a commit's outcome may be unknown, and forgetting does no harm.
        if (accountIds.size + conversationIds.size > 0) announce({ accountIds, conversationIds })
      }
    })
}
