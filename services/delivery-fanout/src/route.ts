// Who is told what: a pure function from a batch of matters and what presence says to the events
// for each gateway. A mailbox or a signal goes to every gateway that holds a device of the account,
// a tick only to the one that holds the sending device. Matters of a gateway keep their order.

import { GatewayEventOutline } from '@twotick/protocol/services'
import type { Holder } from '@twotick/presence'
import { FRAME_BYTES, type Matter } from './matter.ts'

/** The subject that every gateway hears. */
export const EVERY_GATEWAY = 'gateways'

/** What is put together into one event; less than a gateway's socket is read at once. */
const TOGETHER_BYTES = 48 * 1_024

/** One encoded GatewayEvent and where it is published. */
export interface Ring {
  readonly subject: string
  readonly data: Uint8Array
}

/** Which gateways hold which devices, by account; undefined where Redis could not be asked. */
export type Presence = ReadonlyMap<string, readonly Holder[]> | undefined

/** The rings of a batch: one for each gateway that it concerns, or more where it is large. */
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
    packEvents(own).map((event) => ({
      subject,
      data: GatewayEventOutline.encode(event).finish(),
    })),
  )
}

/** Has every device ask for the second ticks that it may have missed. */
export function resyncRing(): Ring {
  const event = { ...emptyEvent(), resync: true }
  return { subject: EVERY_GATEWAY, data: GatewayEventOutline.encode(event).finish() }
}

function subjectsOf({ accountId, deviceId }: Matter, presence: Presence): Iterable<string> {
  if (presence === undefined) return [EVERY_GATEWAY]
  const subjects = new Set<string>()
  for (const holder of presence.get(accountId) ?? []) {
    if (deviceId === undefined || deviceId === holder.deviceId) {
      subjects.add(`gateway.${holder.gatewayId}`)
    }
  }
  return subjects
}

/**
 * Puts matters together into as few events as their order, their epochs and the size allow. A
 * signal has no epoch of its own and goes along with any.
 */
function packEvents(matters: readonly Matter[]): GatewayEventOutline[] {
  let event = emptyEvent()
  let bytes = 0
  const events = [event]
  for (const matter of matters) {
    const matterBytes = matter.encoded.length + FRAME_BYTES
    const isOtherEpoch = event.epoch !== '' && matter.epoch !== '' && matter.epoch !== event.epoch
    if (isOtherEpoch || (bytes > 0 && bytes + matterBytes > TOGETHER_BYTES)) {
      event = emptyEvent()
      bytes = 0
      events.push(event)
    }
    bytes += matterBytes
    if (matter.epoch !== '') event.epoch = matter.epoch
    put(event, matter)
  }
  return events
}

function put(event: GatewayEventOutline, { kind, encoded }: Matter): void {
  if (kind === 'mailbox') event.mailboxes.push(encoded)
  else if (kind === 'tick') event.ticks.push(encoded)
  else event.signals.push(encoded)
}

function emptyEvent(): GatewayEventOutline {
  return { epoch: '', mailboxes: [], ticks: [], signals: [], resync: false }
}
