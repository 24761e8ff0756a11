// Who is told what: a pure function from a batch of matters and what presence says to the events
// for each gateway. A mailbox or a signal goes to every gateway that holds a device of the account,
// a tick only to the one that holds the sending device. Matters of a gateway keep their order.

import type { Holder } from '@twotick/presence'
import { encodeEvent, type Matter, PARTS_BYTES_MAX } from './matter.ts'

/** The subject that every gateway hears. */
export const EVERY_GATEWAY = 'gateways'

/** One encoded GatewayEvent and where it is published. */
export interface Ring {
  readonly subject: string
  readonly data: Uint8Array
}

/** Which gateways hold which devices, by account; undefined where Redis could not be asked. */
export type Presence = ReadonlyMap<string, readonly Holder[]> | undefined

/** The rings of a batch: as a rule one for each gateway that it concerns. */
export function route(matters: readonly Matter[], presence: Presence): Ring[] {
  const mattersBySubject = new Map<string, Matter[]>()
  for (const matter of matters) {
    for (const subject of subjectsOf(matter, presence)) {
      const own = mattersBySubject.get(subject)
      if (own === undefined) mattersBySubject.set(subject, [matter])
      else own.push(matter)
    }
  }
  return [...mattersBySubject].flatMap(([subject, own]) =>
    packEvents(own).map((data) => ({ subject, data })),
  )
}

/** Has every device ask for the second ticks that it may have missed. */
export function resyncRing(): Ring {
  return { subject: EVERY_GATEWAY, data: encodeEvent({ resync: true }) }
}

function subjectsOf({ accountId, deviceId }: Matter, presence: Presence): string[] {
  if (presence === undefined) return [EVERY_GATEWAY]
  const holders = (presence.get(accountId) ?? []).filter(
    (holder) => deviceId === undefined || deviceId === holder.deviceId,
  )
  return [...new Set(holders.map((holder) => `gateway.${holder.gatewayId}`))]
}

/**
 * Puts matters together into as few events as their order, their epochs and the bound allow. A
 * signal has no epoch of its own and goes along with any.
 */
function packEvents(matters: readonly Matter[]): Uint8Array[] {
  const events: Uint8Array[] = []
  let epoch = ''
  let parts: Uint8Array[] = []
  let bytes = 0
  const close = () => {
    if (parts.length === 0) return
    events.push(Buffer.concat([encodeEvent({ epoch }), ...parts]))
  }
  for (const matter of matters) {
    const isOtherEpoch = epoch !== '' && matter.epoch !== '' && matter.epoch !== epoch
    if (isOtherEpoch || bytes + matter.part.length > PARTS_BYTES_MAX) {
      close()
      epoch = ''
      parts = []
      bytes = 0
    }
    if (matter.epoch !== '') epoch = matter.epoch
    parts.push(matter.part)
    bytes += matter.part.length
  }
  close()
  return events
}
