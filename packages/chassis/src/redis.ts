// Redis, the hint: a command either answers soon or fails. Nothing is queued for a Redis that is not
// there, and nothing is sent again after a reconnect: the caller knows what to do without an answer.

import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { type Certificates, tlsOptions } from './certificates.ts'
import type { Logger } from './log.ts'
import { openMeter } from './meter.ts'
import { makeStringsFast } from './string-prototype.ts'

makeStringsFast()

const FIRST_CONNECTION_MS = 2_000

export interface RedisSettings {
  readonly url: string
  readonly commandTimeoutMs?: number
  /** Of the server's authorities, if others than the services'. */
  readonly caFile?: string | undefined
}

/**
 * Connects, for 2 s at most: if Redis is not there by then, commands fail until it is. Reconnects
 * for ever, at most a second apart. End it with `redis.disconnect()`. A `rediss://` URL: by TLS, with
 * `certificates` where there are any.
 */
export async function connectRedis(
  settings: RedisSettings,
  log: Logger,
  certificates?: Certificates,
): Promise<Redis> {
  const { url, commandTimeoutMs = 500 } = settings
  const redis = new Redis(url, {
    ...(url.startsWith('rediss://') && { tls: tlsOptions(certificates, settings.caFile) }),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: FIRST_CONNECTION_MS,
    commandTimeout: commandTimeoutMs,
    // A stopped Redis answers nothing: the connection is given up, so that nothing piles up on it.
    socketTimeout: 2 * commandTimeoutMs,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), 1_000),
  })
  // One line a loss, not one an attempt.
  let isUp = true
  redis.on('error', (error: Error) => {
    if (isUp) log.warn({ reason: error.message }, 'Redis is not there')
    isUp = false
  })
  redis.on('close', () => {
    if (isUp) log.warn('Redis is disconnected')
    isUp = false
  })
  redis.on('ready', () => {
    isUp = true
    log.info('Redis is connected')
  })
  openMeter('redis').gauge('twotick.redis.connected', '1: Redis is there', () => (isUp ? 1 : 0))
  const isReady = new Promise<void>((resolve) => redis.once('ready', resolve))
  await Promise.race([isReady, wait(FIRST_CONNECTION_MS, undefined, { ref: false })])
  return redis
}
