// From content to an attempt's draft: who it is for, and the bytes they get.

import { addressKey, RefusalCode, TAG_BYTES } from '@twotick/protocol'
import type { Address, EnvelopeType } from '@twotick/protocol'
import type { Codec, Content, Encoded } from './codec.ts'
import { RefusedError } from './errors.ts'
import { randomBytes } from './keys.ts'
import type { Rosters } from './rosters.ts'
import type { Draft } from './sender.ts'
import type { Payload, Roster, To } from './storage.ts'

export interface Outgoing {
  readonly to: To
  readonly type: EnvelopeType
  readonly lifetimeS: number
  readonly content: Content
  /** Only these devices of the account get it; empty: all. */
  readonly deviceIds: readonly number[]
}

interface EncodeOptions {
  readonly own: Address
  readonly codec: Codec
  readonly rosters: Rosters
}

/**
 * Encodes. Asks the directory for the roster where it must know it: for a conversation, and where
 * devices get different bytes. Undefined: none of the devices is there any more. Throws RefusedError
 * (TOO_LARGE) for what no frame can carry.
 */
export async function encode(outgoing: Outgoing, options: EncodeOptions) {
  const draft = await toDraft(outgoing, options)
  if (draft) refuseTooLarge(draft.payload)
  return draft
}

async function toDraft(outgoing: Outgoing, options: EncodeOptions) {
  const { to, type, lifetimeS, content, deviceIds } = outgoing
  const { own, codec, rosters } = options
  const base = { tag: randomBytes(TAG_BYTES), to, type, lifetimeS }
  if ('account' in to && !codec.perDevice && deviceIds.length === 0) {
    const accounts = to.account === own.accountId ? [] : [to.account]
    const payload = toPayload(await codec.encode(content, []))
    return { ...base, rosterVersion: 0, accounts, payload } satisfies Draft
  }
  const kept = await rosters.get(to)
  // One that was linked since then is not in it: ask, before saying that it is gone.
  const roster = deviceIds.every((id) => hasDevice(kept, to, id)) ? kept : await rosters.fetch(to)
  const devices = roster.devices.filter((device) => isMeant(device, to, deviceIds))
  if (deviceIds.length > 0 && devices.length === 0) return undefined
  const encoded = await codec.encode(content, codec.perDevice ? devices : [])
  const payload = deviceIds.length > 0 ? onlyFor(devices, roster, encoded) : toPayload(encoded)
  const accounts = roster.members
    .filter(({ accountId, dormant }) => !dormant && accountId !== own.accountId)
    .map(({ accountId }) => accountId)
  return { ...base, rosterVersion: roster.version, accounts, payload } satisfies Draft
}

// The gateway ends the connection for a frame larger than this, whatever else it brings.
const FRAME_BYTES_MAX = 96 * 1024
const SEND_BYTES = 128 // a Send's other fields, at most
const PART_BYTES = 64 // a part's address and lengths, at most

/**
 * Here, before it has a number: a frame that the gateway takes for malformed would have no answer, so
 * it would be sent again on every connection, and end each.
 */
function refuseTooLarge({ ciphertext, parts }: Payload): void {
  const bytes = parts.reduce(
    (sum, part) => sum + PART_BYTES + part.ciphertext.length,
    SEND_BYTES + ciphertext.length,
  )
  if (bytes <= FRAME_BYTES_MAX) return
  const detail = `a frame of ${bytes} bytes; ${FRAME_BYTES_MAX} are the most`
  throw new RefusedError({ code: RefusalCode.TOO_LARGE, detail, retryAfterMs: 0 })
}

function isMeant(device: Address, to: To, deviceIds: readonly number[]): boolean {
  if (deviceIds.length === 0) return true
  return 'account' in to && device.accountId === to.account && deviceIds.includes(device.deviceId)
}

function hasDevice({ devices }: Roster, to: To, deviceId: number): boolean {
  return devices.some((device) => isMeant(device, to, [deviceId]))
}

const NOTHING: Uint8Array = new Uint8Array()

function toPayload(encoded: Encoded): Payload {
  return 'ciphertext' in encoded
    ? { ciphertext: encoded.ciphertext, parts: [] }
    : { ciphertext: NOTHING, parts: encoded.parts }
}

/** A part for every device of the roster, because the relay wants all; empty but for those meant. */
function onlyFor(meant: readonly Address[], roster: Roster, encoded: Encoded): Payload {
  const parts = roster.devices.map((address) => {
    const isFor = (other: Address) => addressKey(other) === addressKey(address)
    if (!meant.some(isFor)) return { address, ciphertext: NOTHING }
    if ('ciphertext' in encoded) return { address, ciphertext: encoded.ciphertext }
    const part = encoded.parts.find((each) => isFor(each.address))
    return { address, ciphertext: part?.ciphertext ?? NOTHING }
  })
  return { ciphertext: NOTHING, parts }
}
