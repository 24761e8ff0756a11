// The log: one JSON line an event on standard output, or a readable line on a terminal. No log line
// carries a ciphertext, a key, a token or an account id. What is logged on behalf of a traced envelope
// names its trace.

import { trace } from '@opentelemetry/api'
import { destination, pino, type Logger } from 'pino'
import pretty from 'pino-pretty'
import type { LogLevel } from './lifecycle-fields.ts'

export type { Logger }

/**
 * What a log line says of an error. Not what pino would, which takes every property along: `detail`
 * of an error of Postgres quotes the row.
 */
export function loggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error) }
  const { name, message, stack } = error
  const { code } = error as { code?: unknown }
  const cause = error.cause === undefined ? undefined : loggedError(error.cause)
  const errors = error instanceof AggregateError ? error.errors.map(loggedError) : undefined
  return { name, message, code, stack, cause, errors }
}

const serializers = { error: loggedError, err: loggedError }

/** Where a span is active (tracing.ts): which. */
function activeTrace(): object {
  const active = trace.getActiveSpan()?.spanContext()
  return active === undefined ? {} : { trace_id: active.traceId, span_id: active.spanId }
}

/** A log for one process, or for one service of a test. */
export function createLog(name: string, level: LogLevel = 'info'): Logger {
  const options = { name, level, base: {}, serializers, mixin: activeTrace }
  // At once: written behind its back, the last lines of a process come out of order, or never.
  if (!process.stdout.isTTY) return pino(options, destination({ sync: true }))
  return pino(options, pretty({ ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l', sync: true }))
}

const SELDOM_MS = 10_000

/**
 * For what may happen to each message: a line of one kind every 10 s at most, with how many there
 * were unsaid since the last. An outage must not fill the disk.
 */
export function logSeldom(log: Logger): (message: string, fields: object) => void {
  const kinds = new Map<string, { at: number; unsaid: number }>()
  return (message, fields) => {
    const now = performance.now()
    const kind = kinds.get(message)
    if (kind !== undefined && now - kind.at < SELDOM_MS) {
      kind.unsaid += 1
      return
    }
    kinds.set(message, { at: now, unsaid: 0 })
    log.warn(kind?.unsaid ? { ...fields, unsaid: kind.unsaid } : fields, message)
  }
}
