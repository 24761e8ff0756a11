// One session for one device: a session that opens writes its presence, and the gateway that held the
// device until then is told to end the older one. Where Redis does not answer, reconciliation finds
// the older one within ten seconds.

import type { Bus } from '@twotick/chassis'
import { clearPresence, type Lease, type Presence, writePresence } from '@twotick/presence'
import { GatewayEvent } from '@twotick/protocol/services'
import type { Redis } from 'ioredis'
import type { GatewayEvents } from './events.ts'
import type { LiveSession } from './connection.ts'

export interface TakeoverParts {
  readonly gatewayId: string
  readonly redis: Redis
  readonly bus: Bus
  readonly lease: Pick<Lease, 'rewriteSoon'>
  readonly events: GatewayEvents
}

export function presenceOf(gatewayId: string, session: LiveSession): Presence {
  const { device, number, epoch } = session
  return { device, gatewayId, session: number, epoch }
}

/** Makes the session known. False: a newer session of the device is open elsewhere. */
export async function takeOver(session: LiveSession, parts: TakeoverParts): Promise<boolean> {
  const { gatewayId, redis, bus, lease, events } = parts
  try {
    const outcome = await writePresence(redis, presenceOf(gatewayId, session))
    if (outcome.at === 'replaced') return false
    const { former } = outcome
    if (former === undefined || former.gatewayId === gatewayId) return true
    const replaced = [{ device: session.device, session: session.number }]
    const nothing = { mailboxes: [], ticks: [], signals: [], resync: false }
    const event = { ...nothing, epoch: session.epoch, replaced }
    bus.publish(`gateway.${former.gatewayId}`, GatewayEvent.encode(event).finish())
  } catch (error) {
    events.failed('a presence could not be written', error)
    lease.rewriteSoon()
  }
  return true
}

/** Takes its presence away, if it is still the holder. What cannot be taken away hurts nobody. */
export async function leave(session: LiveSession, parts: TakeoverParts): Promise<void> {
  try {
    await clearPresence(parts.redis, presenceOf(parts.gatewayId, session))
  } catch (error) {
    parts.events.failed('a presence could not be cleared', error)
  }
}
