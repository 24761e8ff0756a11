// NATS, the doorbell: whatever is published may be lost, and nobody waits for it. So publishing never
// waits and never throws for want of a server; subscriptions come back by themselves; and a service
// starts, and works, while NATS is down.
//
// Bounds: what the server has not taken yet is counted between two flushes, and beyond
// `pendingBytesMax` doorbells are dropped; without a connection they are dropped at once. (The
// client library by itself would keep them all in memory.)

import { setTimeout as wait } from 'node:timers/promises'
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import type { Logger } from './log.ts'

const RECONNECT_MS = 250
const CONNECT_TIMEOUT_MS = 2_000
const FLUSH_AFTER_BYTES = 262_144

export interface NatsSettings {
  readonly url: string
  readonly pendingBytesMax?: number
}

export interface BusSubscription {
  close(): void
}

export interface Bus {
  isConnected(): boolean
  /** Publishes, or drops: false says that it was dropped for certain. Throws beyond max_payload. */
  publish(subject: string, data: Uint8Array): boolean
  /** `handle` must not throw. Of subscribers with one `queue` name each message meets one. */
  subscribe(
    subject: string,
    handle: (data: Uint8Array, subject: string) => void,
    options?: { readonly queue?: string },
  ): BusSubscription
  /** Called whenever the connection is there (again): messages may have been lost until now. */
  onConnected(listener: () => void): void
  /** Waits, a second at most, until the server has taken all before; false: it has not. */
  flush(): Promise<boolean>
  /** Hands out what is in flight, both ways, and ends the connection. */
  drain(): Promise<void>
}

interface Interest {
  readonly subject: string
  readonly queue: string | undefined
  readonly handle: (data: Uint8Array, subject: string) => void
  live: { unsubscribe(): void } | undefined
}

/**
 * Connects, or goes on trying in the background after a first try of 2 s. Then reconnects for ever,
 * every 250 ms.
 */
export async function connectNats(settings: NatsSettings, log: Logger): Promise<Bus> {
  const { url, pendingBytesMax = 8 * 1_048_576 } = settings
  const interests = new Set<Interest>()
  const listeners: (() => void)[] = []
  const closing = new AbortController()
  let connection: NatsConnection | undefined
  let isUp = false
  let pendingBytes = 0
  let isFlushing = false

  const listen = (interest: Interest) => {
    interest.live = connection?.subscribe(interest.subject, {
      ...(interest.queue !== undefined && { queue: interest.queue }),
      callback: (error: Error | null, message: Msg) => {
        if (error !== null) log.warn({ error, subject: interest.subject }, 'NATS subscription')
        else interest.handle(message.data, message.subject)
      },
    })
  }
  const wentUp = (message: string) => {
    isUp = true
    pendingBytes = 0
    log.info(message)
    for (const listener of listeners) listener()
  }
  const flushSome = (live: NatsConnection) => {
    if (isFlushing || pendingBytes < FLUSH_AFTER_BYTES) return
    isFlushing = true
    const flushedBytes = pendingBytes
    void live
      .flush()
      .then(() => (pendingBytes = Math.max(0, pendingBytes - flushedBytes)))
      .catch((error: unknown) => log.debug({ error }, 'NATS flush'))
      .finally(() => (isFlushing = false))
  }
  const adopt = (live: NatsConnection) => {
    connection = live
    for (const interest of interests) listen(interest)
    wentUp('NATS is connected')
    void follow(live, log, {
      up: () => wentUp('NATS is connected again'),
      down: () => (isUp = false),
    })
  }

  const first = await tryToConnect(url, log)
  if (first !== undefined) adopt(first)
  else void keepTrying(url, log, { signal: closing.signal, adopt })

  return {
    isConnected: () => isUp,
    publish(subject, data) {
      if (connection === undefined || !isUp || closing.signal.aborted) return false
      if (pendingBytes + data.length > pendingBytesMax) {
        flushSome(connection)
        return false
      }
      pendingBytes += data.length
      connection.publish(subject, data)
      flushSome(connection)
      return true
    },
    subscribe(subject, handle, { queue } = {}) {
      const interest: Interest = { subject, queue, handle, live: undefined }
      interests.add(interest)
      listen(interest)
      return {
        close() {
          interests.delete(interest)
          interest.live?.unsubscribe()
        },
      }
    },
    onConnected: (listener) => void listeners.push(listener),
    async flush() {
      if (connection === undefined || !isUp) return false
      const late = wait(1_000, false, { ref: false })
      return Promise.race([
        connection.flush().then(
          () => true,
          () => false,
        ),
        late,
      ])
    },
    async drain() {
      closing.abort()
      if (connection === undefined || connection.isClosed()) return
      if (isUp) await Promise.race([connection.drain(), wait(2_000, undefined, { ref: false })])
      await connection.close()
      isUp = false
    },
  }
}

async function tryToConnect(url: string, log: Logger): Promise<NatsConnection | undefined> {
  try {
    return await connect({
      servers: url,
      timeout: CONNECT_TIMEOUT_MS,
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      // A stopped server is found out within 6 s.
      pingInterval: 2_000,
      maxPingOut: 2,
    })
  } catch (error) {
    log.warn({ reason: (error as Error).message }, 'NATS cannot be reached: going on without')
    return undefined
  }
}

interface Attempts {
  readonly signal: AbortSignal
  readonly adopt: (live: NatsConnection) => void
}

async function keepTrying(url: string, log: Logger, { signal, adopt }: Attempts) {
  while (!signal.aborted) {
    await wait(RECONNECT_MS, undefined, { ref: false })
    const live = signal.aborted ? undefined : await tryToConnect(url, log)
    if (live === undefined) continue
    if (!signal.aborted) return adopt(live)
    await live.close()
  }
}

interface Changes {
  readonly up: () => void
  readonly down: () => void
}

async function follow(live: NatsConnection, log: Logger, { up, down }: Changes): Promise<void> {
  for await (const change of live.status()) {
    if (change.type === 'disconnect' || change.type === 'staleConnection') {
      log.warn('NATS is disconnected')
      down()
    } else if (change.type === 'reconnect') up()
    else if (change.type === 'error') log.warn({ reason: change.error.message }, 'NATS')
  }
  down()
}
