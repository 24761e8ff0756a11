// Postgres: a pool that survives the server's death, and whose every wait is bounded.
//
// A stopped server answers nothing, not even errors: only `queryTimeoutMs` ends the wait then, and
// the connection is thrown away, since the late answer would be taken for the next query's.

import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { backoffMs, Failure, postgresFailure } from './failure.ts'
import { type Certificates, tlsOptions } from './certificates.ts'
import type { Logger } from './log.ts'
import { openMeter } from './meter.ts'
import { Pool } from './postgres-pool.ts'

// Reads come in bursts: a cache's lifetime ends, many connect. A connection for each, closed again
// before the next burst, is a fork and statements planned anew, every few seconds. For longer than this
// none is kept: after Postgres has moved, each that is left leads nowhere.
const IDLE_MS = 60_000

export interface PostgresSettings {
  readonly url: string
  readonly poolMax?: number
  readonly connectTimeoutMs?: number
  readonly statementTimeoutMs?: number
  readonly queryTimeoutMs?: number
  readonly idleInTransactionTimeoutMs?: number
  readonly startTimeoutMs?: number
}

export interface PostgresOptions {
  readonly log?: Logger
  /** Runs on each new connection before anything else does; if it fails, so does the connecting. */
  readonly onConnect?: (client: pg.ClientBase) => Promise<void>
  /** Ends the wait for a first connection. */
  readonly signal?: AbortSignal
  /** Queries that are not awaited one by one go out together: one round trip for several. */
  readonly pipeline?: boolean
  /** Shown to a server whose URL asks for TLS and names no certificate itself. */
  readonly certificates?: Certificates | undefined
}

/**
 * Opens a pool, once Postgres has answered: where it is not there yet, for up to `startTimeoutMs`.
 * What is wrong with the URL, the role or the database is thrown at once. int8 and int8[] come back
 * as numbers, asserted to be safe; select as text what may be larger (a tag).
 */
export async function connectPostgres(
  settings: PostgresSettings,
  options: PostgresOptions = {},
): Promise<pg.Pool> {
  const pool = new Pool(settings.queryTimeoutMs ?? 2_500, {
    ...addressOf(settings.url, options.certificates),
    max: settings.poolMax ?? 10,
    connectionTimeoutMillis: settings.connectTimeoutMs ?? 2_000,
    statement_timeout: settings.statementTimeoutMs ?? 2_000,
    idle_in_transaction_session_timeout: settings.idleInTransactionTimeoutMs ?? 5_000,
    keepAlive: true,
    idleTimeoutMillis: IDLE_MS,
    pipeline: options.pipeline ?? false,
    types: { getTypeParser } as pg.CustomTypesConfig,
    ...(options.onConnect && { onConnect: options.onConnect }),
  })
  // Without these two listeners the process ends when Postgres does: the pool speaks of idle
  // connections, each client of itself while it is lent. Who uses one is told by its query.
  pool.on('error', (error) => options.log?.warn({ error }, 'an idle connection to Postgres broke'))
  pool.on('connect', (client) => client.on('error', () => undefined))
  measurePool(pool)
  try {
    await firstConnection(pool, settings.startTimeoutMs ?? 30_000, options)
  } catch (error) {
    await pool.end()
    throw error
  }
  return pool
}

/** Those of the process: the gauges are of all of them together. */
const pools = new Set<pg.Pool>()
let isMeasured = false

function measurePool(pool: pg.Pool): void {
  for (const other of pools) if (other.ended) pools.delete(other)
  pools.add(pool)
  if (isMeasured) return
  isMeasured = true
  const meter = openMeter('postgres')
  const sum = (of: (pool: pg.Pool) => number) => [...pools].reduce((all, pool) => all + of(pool), 0)
  meter.gaugeBy('twotick.postgres.connections', 'state', {
    description: 'connections of the pools',
    read: () => ({
      busy: sum((pool) => pool.totalCount - pool.idleCount),
      idle: sum((pool) => pool.idleCount),
    }),
  })
  meter.gauge('twotick.postgres.connections_max', 'connections they may have', () =>
    sum((pool) => pool.options.max),
  )
  meter.gauge('twotick.postgres.waiting', 'who waits for a connection', () =>
    sum((pool) => pool.waitingCount),
  )
}

const VERIFIED = /([?&])sslmode=verify-full(&|$)/

/**
 * A URL may name its certificates as libpq has them (`sslrootcert`, `sslcert`, `sslkey`): those files
 * are read anew for each connection. One that only says `sslmode=verify-full` is for the service's own.
 */
function addressOf(url: string, certificates: Certificates | undefined): pg.PoolConfig {
  const isOurs = certificates !== undefined && VERIFIED.test(url) && !/[?&]ssl(cert|root)/.test(url)
  if (!isOurs) return { connectionString: url }
  return {
    connectionString: url.replace(VERIFIED, (_all, before, after) => (after ? before : '')),
    ssl: tlsOptions(certificates),
  }
}

async function firstConnection(pool: pg.Pool, timeoutMs: number, options: PostgresOptions) {
  const deadline = Date.now() + timeoutMs
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted()
    try {
      const client = await pool.connect()
      client.release()
      return
    } catch (error) {
      if (postgresFailure(error) === undefined || Date.now() >= deadline) throw error
      if (attempt === 1) options.log?.warn({ error }, 'waiting for Postgres')
      await wait(backoffMs(attempt, { firstMs: 50, maxMs: 1_000 }), undefined, {
        ...(options.signal && { signal: options.signal }),
      })
    }
  }
}

/** What a transaction on a pipelining pool need not wait for one by one. */
export interface InPipeline {
  /** Nothing may be written before it has resolved: it would be a transaction of its own. */
  readonly begun: Promise<unknown>
  /** All statements, in their order: the first that fails is why those behind it do. */
  readonly sent: Promise<unknown>[]
  /** Those of them which go out together with the commit. */
  readonly last: Promise<unknown>[]
}

/**
 * Runs `work` in a transaction on one connection. If it throws, nothing was done, unless it is a
 * failure of the commit: then the outcome is unknown. Failures of Postgres come out as `Failure`.
 */
export async function transaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient, pipeline: InPipeline) => Promise<T>,
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw asThrown(error, true)
  })
  const isTogether = pool.options.pipeline ?? false
  // Prepared, where many are asked together: parsed once a connection.
  const say = (text: string) => client.query(isTogether ? { name: text, text } : { text })
  let isUnknown = false
  if (isTogether) sendTogether(client)
  const pipeline: InPipeline = { begun: heard(say('begin')), sent: [], last: [] }
  try {
    if (!isTogether) await pipeline.begun
    const result = await work(client, pipeline)
    isUnknown = true
    const committed = heard(say('commit'))
    await Promise.all(pipeline.last).catch((error: unknown) => {
      // Postgres' word on a statement before the commit: that has then rolled back.
      isUnknown = !(error instanceof pg.DatabaseError)
      throw error
    })
    await committed
    client.release()
    return result
  } catch (caught) {
    const error = await causeOf(caught, pipeline.sent)
    await endAfter(client, error)
    throw asThrown(error, !isUnknown)
  }
}

/** What a transaction on a pipelining pool asks in this turn, from now on, is one question. */
export function sendTogether(client: pg.ClientBase): void {
  ;(client as unknown as { together(): void }).together()
}

const IN_FAILED_TRANSACTION = '25P02'

/** What comes behind a failed statement in a pipeline is only told that the transaction has failed. */
async function causeOf(error: unknown, sent: readonly Promise<unknown>[]): Promise<unknown> {
  if (!(error instanceof pg.DatabaseError) || error.code !== IN_FAILED_TRANSACTION) return error
  const outcomes = await Promise.allSettled(sent)
  return outcomes.find((outcome) => outcome.status === 'rejected')?.reason ?? error
}

/** A promise that may be awaited later, or, where something else has failed first, never. */
function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

/** A connection goes back to the pool only where a rollback has shown that it still works. */
async function endAfter(client: pg.PoolClient, error: unknown): Promise<void> {
  const isOfWork = error instanceof Failure || error instanceof pg.DatabaseError
  if (!isOfWork && postgresFailure(error) !== undefined) {
    client.release(true)
    return
  }
  // Not together with what has just been asked, which fails.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  await client.query('rollback').then(
    () => client.release(),
    () => client.release(true),
  )
}

function asThrown(error: unknown, hadNoEffect: boolean): unknown {
  const failure = postgresFailure(error)
  if (failure === undefined || error instanceof Failure) return error
  return new Failure(failure.code, failure.message, { cause: error, hadNoEffect })
}

const INT8 = 20
const INT8_ARRAY = 1016
const TID = 27

// The pool's own parsers: those of `pg.types` are the whole process's.
function getTypeParser(oid: number, format: 'text' | 'binary' = 'text') {
  const parse = pg.types.getTypeParser(oid, format) as (text: string) => unknown
  if (format !== 'text') return parse
  if (oid === INT8) return safeInteger
  if (oid === TID) return placeOf
  if (oid === INT8_ARRAY) {
    return (text: string) =>
      (parse(text) as (string | null)[]).map((item) => (item === null ? null : safeInteger(item)))
  }
  return parse
}

/** Where a row is, `(block,item)`, as one number, in Postgres' order. */
function placeOf(text: string): number {
  const comma = text.indexOf(',')
  return Number(text.slice(1, comma)) * 2 ** 16 + Number(text.slice(comma + 1, -1))
}

function safeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new Error('an int8 is beyond 2^53: select it as text')
  return value
}
