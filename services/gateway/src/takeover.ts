// One session for one device: a session that opens writes its presence, and the gateway that held the
// device until then is told to end the older one. Where Redis does not answer, reconciliation finds
// the older one within ten seconds.

import { type Bus, Failure, type Scope } from '@twotick/chassis'
import {
  clearPresence,
  dropLease,
  keepLease,
  type Lease,
  type Presence,
  writePresence,
  writePresences,
} from '@twotick/presence'
import { GatewayEvent } from '@twotick/protocol/services'
import type { Redis } from 'ioredis'
import type { GatewayEvents } from './events.ts'
import type { LiveSession } from './connection.ts'
import type { Registry } from './registry.ts'

export interface TakeoverParts {
  readonly gatewayId: string
  readonly redis: Redis
  readonly bus: Bus
  readonly lease: Pick<Lease, 'rewriteSoon'>
  readonly events: GatewayEvents
}

function presenceOf(gatewayId: string, session: LiveSession): Presence {
  const { device, number, epoch } = session
  return { device, gatewayId, session: number, epoch }
}

/** The lease without which none of this gateway's presences count; given back at the end. */
export function holdLease(
  parts: Pick<TakeoverParts, 'gatewayId' | 'redis' | 'events'> & { registry: Registry },
  { defer }: Pick<Scope, 'defer'>,
): Lease {
  const { gatewayId, redis, registry, events } = parts
  const end = new AbortController()
  const lease = keepLease(redis, {
    gatewayId,
    rewrite: () =>
      writePresences(
        redis,
        registry.all().map((one) => presenceOf(gatewayId, one)),
      ),
    onFailure: (error) => events.failed('the lease could not be refreshed', error),
    signal: end.signal,
  })
  defer('lease', async () => {
    end.abort()
    await lease.ended
    // If this fails, what is left in Redis counts no more fifteen seconds later.
    await dropLease(redis, gatewayId).catch((error: unknown) =>
      events.failed('the lease could not be given back', error),
    )
  })
  return lease
}

/**
 * Makes the session known, within `leftMs`. False: a newer session of the device is open elsewhere.
 */
export async function takeOver(
  session: LiveSession,
  parts: TakeoverParts,
  leftMs: number,
): Promise<boolean> {
  const { gatewayId, redis, bus, lease, events } = parts
  try {
    const outcome = await within(leftMs, writePresence(redis, presenceOf(gatewayId, session)))
    if (outcome.at === 'replaced') return false
    const { former } = outcome
    if (former === undefined || former.gatewayId === gatewayId) return true
    const replaced = [{ device: session.device, session: session.number }]
    const nothing = { mailboxes: [], ticks: [], signals: [], resync: false, contents: [] }
    const event = { ...nothing, epoch: session.epoch, replaced }
    bus.publish(`gateway.${former.gatewayId}`, GatewayEvent.encode(event).finish())
  } catch (error) {
    events.failed('a presence could not be written', error)
    lease.rewriteSoon()
  }
  return true
}

/** Redis has a deadline of its own, which may be later than the device's. */
async function within<T>(leftMs: number, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const failure = new Failure('DEADLINE_EXCEEDED', 'no time was left for the presence')
  const timer = setTimeout(() => late.reject(failure), leftMs)
  try {
    return await Promise.race([answer, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Takes its presence away, if it is still the holder. What cannot be taken away hurts nobody. */
export async function leave(session: LiveSession, parts: TakeoverParts): Promise<void> {
  try {
    await clearPresence(parts.redis, presenceOf(parts.gatewayId, session))
  } catch (error) {
    parts.events.failed('a presence could not be cleared', error)
  }
}
