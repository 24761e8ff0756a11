// Who is told what: a pure function from a batch of matters and what presence says to the events
// for each gateway. A mailbox or a signal goes to every gateway that holds a device of the account,
// a tick only to the one that holds the sending device. Matters of a gateway keep their order.

import { GatewayEventOutline } from '@twotick/protocol/services'
import type { Holder } from '@twotick/presence'
import { bytesOf, type Content, FRAME_BYTES, type Matter, MATTERS_BYTES_MAX } from './matter.ts'

/** The subject that every gateway hears. */
export const EVERY_GATEWAY = 'gateways'

/** What is put together into one event; less than a gateway's socket is read at once. */
const TOGETHER_BYTES = 48 * 1_024

/** What one event has pushed, with what is shared in each of its mailboxes: to one device of each. */
const PUSHED_BYTES = 2 * 1_024 * 1_024

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
 * Puts matters together into as few events as their order, their epochs, the keys of their contents
 * and the size allow. A signal has no epoch of its own and goes along with any.
 */
function packEvents(matters: readonly Matter[]): GatewayEventOutline[] {
  let packing = emptyPacking()
  const all = [packing]
  for (const matter of matters) {
    if (!hasRoom(packing, matter)) {
      packing = emptyPacking()
      all.push(packing)
    }
    put(packing, matter)
  }
  return all.map(({ event, contents }) => ({
    ...event,
    contents: [...contents.values()].map(({ encoded }) => encoded),
  }))
}

interface Packing {
  readonly event: GatewayEventOutline
  readonly contents: Map<number, Content>
  ownBytes: number
  sharedBytes: number
  pushedBytes: number
}

function hasRoom(packing: Packing, matter: Matter): boolean {
  const { event, contents, ownBytes, sharedBytes, pushedBytes } = packing
  if (ownBytes === 0) return true
  if (event.epoch !== '' && matter.epoch !== '' && matter.epoch !== event.epoch) return false
  for (const content of matter.contents) {
    if ((contents.get(content.key) ?? content) !== content) return false
  }
  const bytes = ownBytes + matter.encoded.length + FRAME_BYTES
  if (bytes > TOGETHER_BYTES || pushedBytes + pushedBytesOf(matter) > PUSHED_BYTES) return false
  const news = bytesOf(newContents(packing, matter))
  return bytes + sharedBytes + news <= (news === 0 ? MATTERS_BYTES_MAX : TOGETHER_BYTES)
}

function pushedBytesOf({ encoded, contents }: Matter): number {
  return encoded.length + bytesOf(contents)
}

function newContents({ contents }: Packing, matter: Matter): readonly Content[] {
  return matter.contents.filter(({ key }) => !contents.has(key))
}

function put(packing: Packing, matter: Matter): void {
  const { event, contents } = packing
  const { kind, epoch, encoded } = matter
  packing.ownBytes += encoded.length + FRAME_BYTES
  packing.sharedBytes += bytesOf(newContents(packing, matter))
  packing.pushedBytes += pushedBytesOf(matter)
  for (const content of matter.contents) contents.set(content.key, content)
  if (epoch !== '') event.epoch = epoch
  if (kind === 'mailbox') event.mailboxes.push(encoded)
  else if (kind === 'tick') event.ticks.push(encoded)
  else event.signals.push(encoded)
}

function emptyPacking(): Packing {
  return { event: emptyEvent(), contents: new Map(), ownBytes: 0, sharedBytes: 0, pushedBytes: 0 }
}

function emptyEvent(): GatewayEventOutline {
  return { epoch: '', mailboxes: [], ticks: [], signals: [], resync: false, contents: [] }
}
