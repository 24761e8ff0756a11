// NATS, the doorbell: whatever is published may be lost, and nobody waits for it. So publishing never
// waits and never throws for want of a server; subscriptions come back by themselves; and a service
// starts, and works, while NATS is down.

import { setTimeout as wait } from 'node:timers/promises'
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { type Certificates, tlsOptions, type TlsOptions } from './certificates.ts'
import { type Logger, logSeldom } from './log.ts'
import { openMeter } from './meter.ts'
import { createOutflow } from './outflow.ts'

const RECONNECT_MS = 250
const CONNECT_TIMEOUT_MS = 2_000
const FLUSH_TIMEOUT_MS = 1_000
const DRAIN_TIMEOUT_MS = 2_000

export interface NatsSettings {
  readonly url: string
  readonly pendingBytesMax?: number
  /** Of the server's authorities, if others than the services'. */
  readonly caFile?: string | undefined
  /** How long a refused subscription waits for the next try, of all on a new connection. 30 s. */
  readonly refusedMs?: number
}

export type HandleMessage = (data: Uint8Array, subject: string) => void

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
    handle: HandleMessage,
    options?: { readonly queue?: string },
  ): BusSubscription
  /** Called whenever the connection is there (again): messages may have been lost until now. */
  onConnected(listener: () => void): void
  /** Waits, a second at most, until the server has taken all before; false: it has not. */
  flush(): Promise<boolean>
  /** Hands out what is in flight, both ways, and ends the connection. */
  drain(): Promise<void>
}

/**
 * Connects, or goes on trying in the background after a first try of 2 s. Then reconnects for ever,
 * every 250 ms. Without a connection messages are dropped at once; beyond `pendingBytesMax` not yet
 * taken by the server, too. A `tls://` URL: by TLS, with `certificates` where there are any.
 */
export async function connectNats(
  settings: NatsSettings,
  log: Logger,
  certificates?: Certificates,
): Promise<Bus> {
  const { url, pendingBytesMax = 8 * 1_048_576, refusedMs = 30_000 } = settings
  const warn = logSeldom(log)
  const dial = () => tryToConnect(url, { log, warn }, tlsOf(settings, certificates))
  const interests = createInterests(log, refusedMs)
  const outflow = createOutflow(pendingBytesMax)
  const listeners: (() => void)[] = []
  const closing = new AbortController()
  let connection: NatsConnection | undefined
  // Whether the library has a connection right now: it would queue without bound for one that is
  // to come.
  let isUp = false

  function wentUp(message: string) {
    isUp = true
    outflow.reset()
    log.info(message)
    for (const listener of listeners) listener()
  }

  const again = () => void keepTrying({ dial, signal: closing.signal, adopt })

  function adopt(live: NatsConnection) {
    connection = live
    interests.moveTo(live)
    wentUp('NATS is connected')
    const down = () => void (isUp = false)
    const up = () => {
      if (isAsSafeAsAsked(live, url)) return wentUp('NATS is connected again')
      log.error('NATS answers without TLS: not taken')
      void live.close()
    }
    // Once closed, by us or by the library, it does not come back by itself.
    void follow(live, log, { up, down }).then(again)
  }

  openMeter('nats').gauge('twotick.nats.connected', '1: the bus is there', () => (isUp ? 1 : 0))
  const first = await dial()
  if (first !== undefined) adopt(first)
  else again()

  return {
    isConnected: () => isUp,
    publish(subject, data) {
      if (connection === undefined || !isUp || closing.signal.aborted) return false
      if (!outflow.admit(data.length, connection)) return false
      connection.publish(subject, data)
      return true
    },
    subscribe: (subject, handle, { queue } = {}) => interests.add(subject, handle, queue),
    onConnected: (listener) => void listeners.push(listener),
    async flush() {
      if (connection === undefined || !isUp) return false
      const flushed = connection.flush().then(
        () => true,
        () => false,
      )
      return Promise.race([flushed, wait(FLUSH_TIMEOUT_MS, false, { ref: false })])
    },
    async drain() {
      closing.abort()
      if (connection === undefined || connection.isClosed()) return
      const late = wait(DRAIN_TIMEOUT_MS, undefined, { ref: false })
      if (isUp) await Promise.race([connection.drain(), late])
      await connection.close()
      isUp = false
    },
  }
}

interface Interests {
  add(subject: string, handle: HandleMessage, queue: string | undefined): BusSubscription
  /** Subscribes everything at the first connection; the library does so again after a loss. */
  moveTo(connection: NatsConnection): void
}

function createInterests(log: Logger, refusedMs: number): Interests {
  const subscribers = new Set<(connection: NatsConnection) => void>()
  let connection: NatsConnection | undefined
  return {
    add(subject, handle, queue) {
      let live: { unsubscribe(): void } | undefined
      const subscribe = (to: NatsConnection) => {
        const callback = (error: Error | null, message: Msg) => {
          if (error === null) return handle(message.data, message.subject)
          log.warn({ error, subject }, 'NATS refuses a subscription')
          // The library has forgotten it: only another connection asks for it anew.
          void wait(refusedMs, undefined, { ref: false }).then(() => to.close())
        }
        live = to.subscribe(subject, { callback, ...(queue !== undefined && { queue }) })
      }
      subscribers.add(subscribe)
      if (connection !== undefined) subscribe(connection)
      return {
        close() {
          subscribers.delete(subscribe)
          if (connection?.isClosed() === false) live?.unsubscribe()
        },
      }
    },
    moveTo(to) {
      connection = to
      for (const subscribe of subscribers) subscribe(to)
    },
  }
}

/** What a `tls://` URL asks for; the library reads it anew for each connection. */
function tlsOf({ url, caFile }: NatsSettings, certificates: Certificates | undefined) {
  return url.startsWith('tls://') ? tlsOptions(certificates, caFile) : undefined
}

/**
 * The library takes a server that offers no TLS for one that needs none. One that does offer it was
 * also made to prove itself.
 */
function isAsSafeAsAsked({ info }: NatsConnection, url: string): boolean {
  return !url.startsWith('tls://') || info?.tls_required === true || info?.tls_available === true
}

async function tryToConnect(
  url: string,
  { log, warn }: { log: Logger; warn: ReturnType<typeof logSeldom> },
  tls: TlsOptions | undefined,
): Promise<NatsConnection | undefined> {
  try {
    const live = await connect({
      servers: url,
      ...(tls && { tls }),
      timeout: CONNECT_TIMEOUT_MS,
      reconnect: true,
      maxReconnectAttempts: -1,
      // By default the second refusal ends it for good, be it weeks after the first: while its
      // configuration is being changed, a server may refuse what it takes again a second later.
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: RECONNECT_MS,
      // A stopped server is found out within 6 s.
      pingInterval: 2_000,
      maxPingOut: 2,
    })
    if (isAsSafeAsAsked(live, url)) return live
    log.error('NATS answers without TLS: not taken')
    await live.close()
    return undefined
  } catch (error) {
    warn('NATS cannot be reached: going on without it, and trying', { error })
    return undefined
  }
}

interface Attempts {
  readonly dial: () => Promise<NatsConnection | undefined>
  readonly signal: AbortSignal
  readonly adopt: (live: NatsConnection) => void
}

async function keepTrying({ dial, signal, adopt }: Attempts): Promise<void> {
  while (!signal.aborted) {
    await wait(RECONNECT_MS, undefined, { ref: false })
    const live = signal.aborted ? undefined : await dial()
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
    if (change.type === 'disconnect') {
      log.warn('NATS is disconnected')
      down()
    } else if (change.type === 'reconnect') up()
    else if (change.type === 'error') log.warn({ reason: change.error.message }, 'NATS')
  }
  down()
}
