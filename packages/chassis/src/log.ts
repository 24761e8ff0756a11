// The log: one JSON line an event on standard output, or a readable line on a terminal. No log line
// carries a ciphertext, a key, a token or an account id.

import { pino, type Logger } from 'pino'
import pretty from 'pino-pretty'
import type { LogLevel } from './lifecycle-fields.ts'

export type { Logger }

const serializers = { error: pino.stdSerializers.err }

/** A log for one process, or for one service of a test. */
export function createLog(name: string, level: LogLevel = 'info'): Logger {
  const options = { name, level, base: {}, serializers }
  if (!process.stdout.isTTY) return pino(options)
  return pino(options, pretty({ ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l', sync: true }))
}
