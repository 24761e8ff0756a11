// Failures: a dependency did not do what it should. A failure is thrown, carries its cause, and is
// mapped to a gRPC status in one place (grpc-server.ts) and back in one place (grpc-client.ts).
// A refusal is no failure but a value in a reply; a bug is neither and ends the request.
//
// The two tables here say what counts as a failure of Postgres and what a repetition may cure.

import { setTimeout as wait } from 'node:timers/promises'

/**
 * `INTERNAL` is a bug at the other end: for its caller a failure all the same. `UNIMPLEMENTED`: the
 * other end is of another release.
 */
export type FailureCode =
  'UNAVAILABLE' | 'DEADLINE_EXCEEDED' | 'RESOURCE_EXHAUSTED' | 'INTERNAL' | 'UNIMPLEMENTED'

export interface FailureOptions {
  readonly cause?: unknown
  /** True only where it is certain that the call had no effect. */
  readonly hadNoEffect?: boolean
}

export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: FailureCode
  readonly hadNoEffect: boolean

  constructor(code: FailureCode, message: string, options: FailureOptions = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.hadNoEffect = options.hadNoEffect ?? false
  }
}

// By SQLSTATE, the longest prefix first. What is not here (a violated constraint, a syntax error) is
// a bug. 40P01 and 40001 have rolled back: the same transaction may be tried again at once.
const FAILURE_BY_SQLSTATE: readonly (readonly [prefix: string, code: FailureCode])[] = [
  ['57014', 'DEADLINE_EXCEEDED'], // canceled: statement_timeout
  ['55P03', 'DEADLINE_EXCEEDED'], // lock_timeout
  ['25P03', 'DEADLINE_EXCEEDED'], // idle_in_transaction_session_timeout
  ['25006', 'UNAVAILABLE'], // read-only: a standby, before or after a failover
  ['40', 'UNAVAILABLE'], // serialization failure, deadlock
  ['53', 'RESOURCE_EXHAUSTED'], // disk full, out of memory, too many connections
  ['57P', 'UNAVAILABLE'], // shut down, crashed, starting
  ['58', 'UNAVAILABLE'], // an I/O error below Postgres
  ['08', 'UNAVAILABLE'], // the connection
]

const RETRIED_SQLSTATES = new Set(['40P01', '40001'])

// What `pg` and `pg-pool` throw without any code.
const CONNECTION_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|timeout expired|Client has encountered a connection error|Connection error|Client was closed)/

// What the system says of a socket; a message is never looked at where there is such a code.
const CONNECTION_ERRNOS = new Set(
  'ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT ENOENT EHOSTUNREACH ENETUNREACH ENOTFOUND EAI_AGAIN EADDRNOTAVAIL'.split(
    ' ',
  ),
)

/** The failure that an error of Postgres is; undefined if it is none (then it is a bug). */
export function postgresFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error
  if (!(error instanceof Error)) return undefined
  const code = codeOf(error)
  if (hasEnded(error))
    return new Failure('UNAVAILABLE', `Postgres: ${error.message}`, { cause: error })
  const found =
    code === undefined || CONNECTION_ERRNOS.has(code)
      ? code !== undefined || CONNECTION_MESSAGES.test(error.message)
        ? 'UNAVAILABLE'
        : undefined
      : FAILURE_BY_SQLSTATE.find(([prefix]) => code.startsWith(prefix))?.[1]
  if (found === undefined) return undefined
  return new Failure(found, `Postgres: ${code ?? error.message}`, { cause: error })
}

/**
 * Whether Postgres has ended, or not begun, a connection for a reason that it has no code for: with a
 * full disk it writes none of the files that a first connection wants. Of a statement such a code is
 * a bug.
 */
function hasEnded(error: Error): boolean {
  const { severity = '' } = error as { severity?: string }
  return ['FATAL', 'PANIC'].includes(severity) && codeOf(error)?.startsWith('XX') === true
}

/** Whether Postgres has rolled the transaction back and asks for it to be tried again. */
export function isRetriedByPostgres(error: unknown): boolean {
  const code = codeOf(error instanceof Failure ? error.cause : error)
  return code !== undefined && RETRIED_SQLSTATES.has(code)
}

/** Runs `work` again after a deadlock or a serialization failure, after 5, 10, 20, 40 ms and jitter. */
export async function retrying<T>(work: () => Promise<T>, attemptsMax = 5): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt >= attemptsMax || !isRetriedByPostgres(error)) throw error
      await wait(backoffMs(attempt, { firstMs: 5, maxMs: 40 }))
    }
  }
}

/** Doubles from `firstMs` to `maxMs`, with jitter over its upper half. `attempt` counts from 1. */
export function backoffMs(attempt: number, bounds: { firstMs: number; maxMs: number }): number {
  const full = Math.min(bounds.maxMs, bounds.firstMs * 2 ** Math.min(attempt - 1, 30))
  return full / 2 + (Math.random() * full) / 2
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
