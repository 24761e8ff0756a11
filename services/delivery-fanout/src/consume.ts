// Takes what the store and the gateways publish, batch by batch, and publishes what each gateway is
// told. While a batch is being handled, what arrives forms the next one; no timers.
//
// Nothing that passes here is a promise: whatever is lost (the bus was away, more arrived than could
// be handled, a ring could not be published) the gateways find out by themselves within 10 s, and
// devices that are told `resync` ask for their second ticks at once.

import { setImmediate as turn } from 'node:timers/promises'
import type { Bus } from '@twotick/chassis'
import type { Events } from './events.ts'
import type { LookUp } from './look-up.ts'
import { APPENDED, DELIVERED, type Matter, readMatters, SIGNAL } from './matter.ts'
import { createPending, type Message } from './pending.ts'
import { type Ring, resyncRing, route } from './route.ts'
import { traceBatch } from './traces.ts'

const QUEUE = 'delivery-fanout'

/** Of messages in one batch: what one look-up and one turn of the event loop may take on. */
const BATCH_BYTES_MAX = 512 * 1024

/** Published without waiting for the bus: well below what it holds before it drops. */
const UNFLUSHED_BYTES_MAX = 1024 * 1024

export interface ConsumeOptions {
  readonly lookUp: LookUp
  readonly pendingBytesMax: number
  readonly events: Events
}

export interface Consumer {
  /** Takes nothing more; resolves when what had arrived is published. */
  stop(): Promise<void>
}

/** Begins to consume; every device is told to ask for what was missed until now. */
export async function consume(bus: Bus, options: ConsumeOptions): Promise<Consumer> {
  const { lookUp, pendingBytesMax, events } = options
  const pending = createPending(pendingBytesMax)
  let isStopped = false
  let unflushedBytes = 0
  /** Why second ticks may have been lost since every device was last told. */
  let resyncOwed: string | undefined

  function take(data: Uint8Array, subject: string): void {
    const dropped = pending.push({ subject, data })
    if (dropped === 0) return
    events.dropped(dropped)
    resyncOwed = 'dropped'
  }

  function publish(ring: Ring): void {
    unflushedBytes += ring.data.length
    if (bus.publish(ring.subject, ring.data)) return
    events.publishFailed()
    resyncOwed = 'not published'
  }

  /** Without the bus it is owed until the bus is back. */
  function resync(reason: string): void {
    resyncOwed = undefined
    publish(resyncRing())
    if (resyncOwed === undefined) events.resync(reason)
  }

  async function handle(batch: readonly Message[]): Promise<void> {
    const read = batch.flatMap((message) => readOrCount(message, events))
    const traced = traceBatch(read)
    const matters = traced?.matters ?? read
    const presence = await lookUp(new Set(matters.map((matter) => matter.accountId)))
    const rings = route(matters, presence)
    for (const ring of rings) publish(ring)
    traced?.end()
    events.routed({ matters: matters.length, rings: rings.length })
    if (unflushedBytes < UNFLUSHED_BYTES_MAX) return
    unflushedBytes = 0
    await bus.flush()
  }

  async function handleAll(): Promise<void> {
    for (;;) {
      const batch = pending.take(BATCH_BYTES_MAX)
      if (batch.length > 0) await handle(batch)
      await turn() // so that all that has arrived is in the next batch, even with Redis away
      // Only now, with the flood over: a resync has every device ask, which is no help in a flood.
      if (!pending.isEmpty()) continue
      if (resyncOwed !== undefined && bus.isConnected()) resync(resyncOwed)
      if (isStopped) return
      await pending.filled()
    }
  }

  const subscriptions = [APPENDED, DELIVERED, SIGNAL].map((subject) =>
    bus.subscribe(subject, take, { queue: QUEUE }),
  )
  await bus.flush()
  resync('started')
  bus.onConnected(() => resync('bus reconnected'))
  const handled = handleAll()

  return {
    async stop() {
      for (const subscription of subscriptions) subscription.close()
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
