// From what a gateway sends to what the rules take: checked, and sealed for each recipient account
// before any transaction begins.

import { type AccountId, isAccountId, parseAddress, type Part, TAG_BYTES } from '@twotick/protocol'
import type { AckWrite, Append, SealedContent } from '@twotick/protocol/services'
import type { Ack } from './ack.ts'
import type { Copy, Sending } from './append.ts'
import assert from 'node:assert/strict'
import { SEAL_BYTES, type Sealer } from './sealed.ts'

/** Of an envelope, all but ciphertext and parts; and of a part, all but its ciphertext. */
const METADATA_BYTES_MAX = 256
const PART_BYTES_MAX = 64

/** undefined if a field is missing or out of bounds: a bug of the caller. */
export function parseAppend(append: Append, sealer: Sealer): Sending | undefined {
  const sender = parseAddress(append.sender)
  const recipients = new Set(append.recipientAccountIds.filter(isAccountId))
  if (
    sender === undefined ||
    append.tag.length !== TAG_BYTES ||
    append.no < 1 ||
    append.lifetimeS < 1 ||
    recipients.size !== append.recipientAccountIds.length
  ) {
    return undefined
  }
  recipients.delete(sender.accountId)
  // An empty part is how a sender says that it knows of a device and has nothing for it.
  const filled = append.parts.filter((part) => part.ciphertext.length > 0)
  const partsOf = Map.groupBy(filled, (part) => part.address?.accountId ?? '')
  const copies = copiesOf(append, [...recipients], { partsOf, sealer })
  const ownParts = partsOf.get(sender.accountId) ?? []
  const { session, no, prevNo, tag, lifetimeS, trace } = append
  return {
    ...{ sender, session, no, prevNo, tag, lifetimeS, copies, ...(trace && { trace }) },
    ownContent: contentFor(append, ownParts),
    ownBytesMax:
      SEAL_BYTES +
      METADATA_BYTES_MAX +
      append.ciphertext.length +
      ownParts.reduce((bytes, part) => bytes + PART_BYTES_MAX + part.ciphertext.length, 0),
  }
}

/** Those who have no part of their own get the same, which is sealed together. */
function copiesOf(
  append: Append,
  recipients: readonly AccountId[],
  { partsOf, sealer }: { partsOf: ReadonlyMap<string, Part[]>; sealer: Sealer },
): Map<AccountId, Copy> {
  const { tag } = append
  const isForAll = append.parts.length === 0
  const content = contentFor(append, [])
  const same = recipients.filter((accountId) => !partsOf.has(accountId))
  const sealedSame = sealer.sealCopies(same, tag, content).values()
  return new Map(
    recipients.map((accountId) => {
      const parts = partsOf.get(accountId)
      const deviceIds = isForAll ? undefined : (parts ?? []).map(deviceIdOf)
      if (parts === undefined) {
        const { value: sealed } = sealedSame.next()
        assert(sealed !== undefined, 'a copy for each')
        return [accountId, { tag, content, sealed, deviceIds }]
      }
      const own = contentFor(append, parts)
      const sealed = sealer.seal(accountId, tag, own)
      return [accountId, { tag, content: own, sealed, deviceIds }]
    }),
  )
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
  const named: Ack['names'] = new Map(
    names.flatMap(({ seq, sender: address, no, trace }) => {
      const sender = parseAddress(address)
      return sender === undefined ? [] : [[seq, { sender, no, ...(trace && { trace }) }] as const]
    }),
  )
  const ack = { device, seq, failed: new Set(failed), names: named }
  const traces = tracesOf(names)
  return traces === undefined ? ack : { ...ack, traces }
}

function tracesOf(names: AckWrite['names']): Ack['traces'] {
  let traces: Map<number, Uint8Array> | undefined
  for (const { seq, trace } of names) {
    if (trace !== undefined) traces = (traces ?? new Map<number, Uint8Array>()).set(seq, trace)
  }
  return traces
}
