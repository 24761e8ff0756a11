// A Postgres without Postgres: pools, connections, transactions and row locks for the store's own code,
// on tables in memory. A statement is one step of its connection's lane, or runs at once where the
// history is not to look between them. Reads see what is committed (READ COMMITTED), and their own.

import type { Pool, QueryResultRow } from 'pg'
import type { Lanes } from './lanes.ts'
import { createLocks, databaseError, type Holder, type Locks } from './locks.ts'
import { statementOf } from './statements.ts'
import { createTables, createView, type Tables, type View } from './tables.ts'

interface Asked {
  readonly name?: string
  readonly text: string
  readonly values?: readonly unknown[]
}

interface Query {
  readonly asked: Asked
  resolve(result: { rows: QueryResultRow[] }): void
  reject(error: Error): void
}

interface Connection {
  readonly owner: string
  readonly holder: Holder
  readonly view: View
  readonly queue: Query[]
  readonly lane: string
  isInTransaction: boolean
  /** A statement has failed: until its end the transaction takes no other. */
  isAborted: boolean
  isBroken: boolean
}

export interface DatabaseOptions {
  readonly lanes: Lanes
  /** Whether each statement is a step of its own. */
  readonly isFine: boolean
  /** Its own clock, which no service shares. */
  readonly nowMs: () => number
  readonly violation: (what: string) => void
}

export interface Database {
  readonly tables: () => Tables
  /** For one process, by its name. */
  pool(owner: string): Pool
  /** The process is gone: what it had begun is rolled back, and nobody is told. */
  kill(owner: string): void
  /** Every connection breaks; a commit on its way may have been done (`isCommitted`). */
  breakAll(isCommitted: boolean): void
  /** As it is now. */
  copy(): Tables
  /** Back to a copy: another history, another epoch. */
  restore(copy: Tables): void
}

const CONNECTION_LOST = 'Connection terminated unexpectedly'
const ABORTED = 'current transaction is aborted, commands ignored until end of transaction block'

export function createDatabase(options: DatabaseOptions): Database {
  const { lanes, isFine, nowMs, violation } = options
  // It is tried again, so nothing else would tell.
  const locks = createLocks(() => violation('two transactions have deadlocked'))
  let tables = createTables()
  let timeline = 1
  let connections: Connection[] = []
  let connected = 0

  function open(owner: string): Connection {
    connected += 1
    const holder = { held: new Set<string>(), waitsFor: undefined }
    const lane = `postgres ${owner} ${connected}`
    const view = createView(() => tables)
    const state = { queue: [], isInTransaction: false, isAborted: false, isBroken: false }
    const connection: Connection = { owner, holder, view, lane, ...state }
    connections.push(connection)
    return connection
  }

  function ask(connection: Connection, asked: Asked): Promise<{ rows: QueryResultRow[] }> {
    if (connection.isBroken) return Promise.reject(new Error(CONNECTION_LOST))
    return new Promise((resolve, reject) => {
      connection.queue.push({ asked, resolve, reject })
      if (connection.queue.length === 1) schedule(connection)
    })
  }

  function schedule(connection: Connection): void {
    if (isFine) lanes.add(connection.lane, () => runNext(connection))
    else runNext(connection)
  }

  /** One after the other; one that waits for a lock is tried again when that is given back. */
  function runNext(connection: Connection): void {
    const [query] = connection.queue
    if (query === undefined) return
    let rows: QueryResultRow[] | undefined
    try {
      rows = run(connection, query.asked)
    } catch (error) {
      connection.isAborted = connection.isInTransaction
      connection.queue.shift()
      query.reject(error as Error)
      if (connection.queue.length > 0) schedule(connection)
      return
    }
    if (rows === undefined) return
    connection.queue.shift()
    query.resolve({ rows })
    if (connection.queue.length > 0) schedule(connection)
  }

  function run(connection: Connection, { text, values = [], ...asked }: Asked) {
    const { view, holder } = connection
    if (text === 'begin') {
      connection.isInTransaction = true
      return []
    }
    if (text === 'commit' || text === 'rollback') {
      finish(connection, locks, text === 'commit' && !connection.isAborted)
      return []
    }
    if (connection.isAborted) throw databaseError(ABORTED, '25P02')
    if (asked.name === undefined && text.includes('pg_control_system'))
      return [{ history: `history:${timeline}` }]
    const lock = (keys: readonly string[]) => locks.take(holder, keys, () => runNext(connection))
    const rows = statementOf({ text, ...asked })({ view, text, values, nowMs: nowMs(), lock })
    if (!connection.isInTransaction && rows !== undefined) finish(connection, locks, true)
    return rows
  }

  /** What was sent along with a commit is done, and nobody hears of it. */
  function runOut(connection: Connection): void {
    for (const { asked } of connection.queue) {
      if (run(connection, asked) === undefined) return
    }
  }

  function end(connection: Connection): void {
    connection.isBroken = true
    connection.queue.length = 0
    lanes.clear(connection.lane)
    finish(connection, locks, false)
  }

  return {
    tables: () => tables,
    pool: (owner) => createPool(() => open(owner), ask, end),
    kill(owner) {
      for (const each of connections.filter((one) => one.owner === owner)) end(each)
      connections = connections.filter((one) => one.owner !== owner)
    },
    breakAll(isCommitted) {
      const broken = connections
      connections = []
      for (const each of broken) {
        const { queue } = each
        if (isCommitted && queue.at(-1)?.asked.text === 'commit') runOut(each)
        const lost = queue.splice(0)
        end(each)
        for (const { reject } of lost) reject(new Error(CONNECTION_LOST))
      }
    },
    copy: () => createTables(tables),
    restore(copy) {
      this.breakAll(false)
      tables = createTables(copy)
      timeline += 1
    },
  }
}

function finish(connection: Connection, locks: Locks, isCommitted: boolean): void {
  if (isCommitted) connection.view.commit()
  else connection.view.forget()
  connection.isInTransaction = false
  connection.isAborted = false
  locks.release(connection.holder)
}

/** What the store uses of a `pg.Pool`. */
function createPool(
  open: () => Connection,
  ask: (connection: Connection, asked: Asked) => Promise<{ rows: QueryResultRow[] }>,
  end: (connection: Connection) => void,
): Pool {
  const idle: { connection: Connection; client: object }[] = []

  function connect() {
    const found = idle.pop()
    if (found && !found.connection.isBroken) return Promise.resolve(found.client)
    const connection = open()
    const client = {
      together: () => undefined,
      query: (asked: string | Asked) =>
        ask(connection, typeof asked === 'string' ? { text: asked } : asked),
      release(isUseless?: boolean) {
        if (isUseless) end(connection)
        else idle.push({ connection, client })
      },
    }
    return Promise.resolve(client)
  }

  return { connect, options: { pipeline: true } } as unknown as Pool
}
