// Takes what the store and the gateways publish, batch by batch, and publishes what each gateway is
// told. While a batch is being handled, what arrives forms the next one; no timers.
//
// Nothing that passes here is a promise: whatever is lost (the bus was away, more arrived than could
// be handled, a ring could not be published) the gateways find out by themselves within 10 s, and
// devices that are told `resync` ask for their second ticks at once.

import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Events } from './events.ts'
import type { LookUp } from './look-up.ts'
import { APPENDED, DELIVERED, type Matter, readMatters, SIGNAL } from './matter.ts'
import { createPending, type Message } from './pending.ts'
import { type Ring, resyncRing, route } from './route.ts'

const QUEUE = 'delivery-fanout'

/** Of messages in one batch: what one look-up and one turn of the event loop may take on. */
const BATCH_BYTES_MAX = 2 * 1024 * 1024

/** For what is under way at the bus when the service stops: a bus that is away would not say. */
const DRAIN_MS = 1_000

export interface ConsumeOptions {
  readonly lookUp: LookUp
  readonly pendingBytesMax: number
  readonly events: Events
}

export interface Consumer {
  /** Takes nothing more; resolves when what had arrived is published. */
  stop(): Promise<void>
}

/** Begins to consume; resolves when the bus has the subscriptions and every device was told. */
export async function consume(bus: NatsConnection, options: ConsumeOptions): Promise<Consumer> {
  const { lookUp, pendingBytesMax, events } = options
  const pending = createPending(pendingBytesMax)
  let isStopped = false
  /** Why second ticks may have been lost since every device was last told. */
  let resyncOwed: string | undefined

  function take(error: Error | null, { subject, data }: Message): void {
    if (error !== null) return
    const dropped = pending.push({ subject, data })
    if (dropped === 0) return
    events.dropped(dropped)
    resyncOwed = 'dropped'
  }

  function publish(ring: Ring): void {
    try {
      bus.publish(ring.subject, ring.data)
    } catch (error) {
      events.publishFailed(error)
      resyncOwed = 'not published'
    }
  }

  function resync(reason: string): void {
    events.resync(reason)
    resyncOwed = undefined
    publish(resyncRing())
  }

  async function handle(batch: readonly Message[]): Promise<void> {
    const matters = batch.flatMap((message) => readOrCount(message, events))
    const presence = await lookUp(new Set(matters.map((matter) => matter.accountId)))
    const rings = route(matters, presence)
    for (const ring of rings) publish(ring)
    events.routed({ matters: matters.length, rings: rings.length })
  }

  async function handleAll(): Promise<void> {
    for (;;) {
      const batch = pending.take(BATCH_BYTES_MAX)
      if (batch.length > 0) await handle(batch)
      // Only now, with the flood over: a resync has every device ask, which is no help in a flood.
      if (!pending.isEmpty()) continue
      if (resyncOwed !== undefined) resync(resyncOwed)
      if (isStopped) return
      await pending.filled()
    }
  }

  const subscriptions = [APPENDED, DELIVERED, SIGNAL].map((subject) =>
    bus.subscribe(subject, { queue: QUEUE, callback: take }),
  )
  await bus.flush()
  resync('started')
  void watchBus(bus, () => resync('bus reconnected'))
  const handled = handleAll()

  return {
    async stop() {
      const drained = Promise.all(subscriptions.map((subscription) => subscription.drain()))
      await Promise.race([
        drained.catch(() => undefined),
        sleep(DRAIN_MS, undefined, { ref: false }),
      ])
      isStopped = true
      pending.wake()
      await handled
    },
  }
}

function readOrCount({ subject, data }: Message, events: Events): Matter[] {
  try {
    return readMatters(subject, data)
  } catch (error) {
    events.malformed(subject, error)
    return []
  }
}

/** Ends with the connection. */
async function watchBus(bus: NatsConnection, onReconnect: () => void): Promise<void> {
  for await (const status of bus.status()) {
    if (status.type === 'reconnect') onReconnect()
  }
}
