// From what a gateway sends to what the rules take: checked, and sealed for each recipient account
// before any transaction begins.

import { type AccountId, isAccountId, parseAddress, type Part, TAG_BYTES } from '@twotick/protocol'
import type { AckWrite, Append, SealedContent } from '@twotick/protocol/services'
import type { Ack } from './ack.ts'
import type { Copy, Sending } from './append.ts'
import type { Name } from './draft.ts'
import assert from 'node:assert/strict'
import { SEAL_BYTES, type Sealer } from './sealed.ts'

/** Of an envelope, all but ciphertext and parts; and of a part, all but its ciphertext. */
const METADATA_BYTES_MAX = 256
const PART_BYTES_MAX = 64

const NO_PARTS: Part[] = []
const NO_PARTS_OF: ReadonlyMap<string, Part[]> = new Map()
const NO_DEVICES: readonly number[] = []

/** undefined if a field is missing or out of bounds: a bug of the caller. */
export function parseAppend(append: Append, sealer: Sealer): Sending | undefined {
  const { session, no, prevNo, tag, lifetimeS, trace } = append
  const sender = parseAddress(append.sender)
  const { recipientAccountIds: recipients } = append
  if (
    sender === undefined ||
    tag.length !== TAG_BYTES ||
    no < 1 ||
    lifetimeS < 1 ||
    !recipients.every(isAccountId) ||
    hasTwice(recipients)
  ) {
    return undefined
  }
  const others = recipients.filter((accountId) => accountId !== sender.accountId)
  const partsOf = partsByAccount(append.parts)
  const ownParts = partsOf.get(sender.accountId) ?? NO_PARTS
  return {
    sender,
    session,
    no,
    prevNo,
    tag,
    lifetimeS,
    trace,
    copies: copiesOf(append, others, { partsOf, sealer }),
    ownContent: contentFor(append, ownParts),
    ownBytesMax:
      SEAL_BYTES +
      METADATA_BYTES_MAX +
      append.ciphertext.length +
      ownParts.reduce((bytes, part) => bytes + PART_BYTES_MAX + part.ciphertext.length, 0),
  }
}

function hasTwice(accountIds: readonly AccountId[]): boolean {
  return accountIds.length > 1 && new Set(accountIds).size < accountIds.length
}

/** An empty part is how a sender says that it knows of a device and has nothing for it. */
function partsByAccount(parts: readonly Part[]): ReadonlyMap<string, Part[]> {
  if (parts.length === 0) return NO_PARTS_OF
  const filled = parts.filter((part) => part.ciphertext.length > 0)
  return Map.groupBy(filled, (part) => part.address?.accountId ?? '')
}

/** Those who have no part of their own get the same, which is sealed together. */
function copiesOf(
  append: Append,
  recipients: readonly AccountId[],
  { partsOf, sealer }: { partsOf: ReadonlyMap<string, Part[]>; sealer: Sealer },
): Copy[] {
  const { tag } = append
  const content = contentFor(append, NO_PARTS)
  const same = recipients.filter((accountId) => !partsOf.has(accountId))
  const sealedSame = sealer.sealCopies(same, tag, content)
  const deviceIds = append.parts.length === 0 ? undefined : NO_DEVICES
  const copies = same.map((accountId, index): Copy => {
    const sealed = sealedSame[index]
    assert(sealed !== undefined, 'a copy for each')
    return { accountId, tag, content, sealed, deviceIds }
  })
  for (const accountId of recipients) {
    const parts = partsOf.get(accountId)
    if (parts === undefined) continue
    const own = contentFor(append, parts)
    const sealed = sealer.seal(accountId, tag, own)
    copies.push({ accountId, tag, content: own, sealed, deviceIds: parts.map(deviceIdOf) })
  }
  return copies
}

function contentFor(append: Append, parts: Part[]): SealedContent {
  const { sender, no, to, type, ciphertext, lifetimeS, trace } = append
  return {
    content: { $case: 'envelope', value: { sender, no, to, type, ciphertext, parts, trace } },
    lifetimeS,
    noticedAtMs: 0,
  }
}

function deviceIdOf(part: Part): number {
  return part.address?.deviceId ?? 0
}

/** undefined if the device's address is none: a bug of the caller. */
export function parseAck({ device: address, seq, failed, names }: AckWrite): Ack | undefined {
  const device = parseAddress(address)
  if (device === undefined) return undefined
  const named = new Map<number, Name>()
  for (const { seq, sender: address, no, trace } of names) {
    const sender = parseAddress(address)
    if (sender !== undefined) named.set(seq, { sender, no, trace })
  }
  return { device, seq, failed: new Set(failed), names: named, traces: tracesOf(names) }
}

function tracesOf(names: AckWrite['names']): Ack['traces'] {
  let traces: Map<number, Uint8Array> | undefined
  for (const { seq, trace } of names) {
    if (trace !== undefined) traces = (traces ?? new Map<number, Uint8Array>()).set(seq, trace)
  }
  return traces
}
