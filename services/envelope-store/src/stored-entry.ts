// An entry as the store hands it on: the content that was sealed, with its seq and its time.

import type { AccountId, DeviceAddress } from '@twotick/protocol'
import { parseAddress } from '@twotick/protocol'
import type { SealedContent, StoredEntry } from '@twotick/protocol/services'
import assert from 'node:assert/strict'
import type { Message } from './notice.ts'

/** An envelope was accepted a lifetime before it expires; a notice carries its time. */
export function toStoredEntry(
  seq: number,
  expiresAtMs: number | undefined,
  { content, lifetimeS, noticedAtMs }: SealedContent,
): StoredEntry {
  const acceptedAtMs = expiresAtMs === undefined ? noticedAtMs : expiresAtMs - lifetimeS * 1000
  return { seq, acceptedAtMs, content }
}

/** The entry as one device gets it: its own part alone, and nothing of what it sent itself. */
export function forDevice(entry: StoredEntry, device: DeviceAddress): StoredEntry {
  if (entry.content?.$case !== 'envelope') return entry
  const envelope = entry.content.value
  const { sender } = envelope
  const isOwn = sender?.accountId === device.accountId && sender.deviceId === device.deviceId
  const parts = envelope.parts.filter(
    ({ address }) =>
      address?.accountId === device.accountId && address.deviceId === device.deviceId,
  )
  const value = isOwn
    ? { ...envelope, ciphertext: new Uint8Array(), parts: [] }
    : { ...envelope, parts }
  return { ...entry, content: { $case: 'envelope', value } }
}

/** The message that an entry carries, by its name; undefined for a notice. */
export function messageOf(tag: Uint8Array, { content }: SealedContent): Message | undefined {
  if (content?.$case !== 'envelope') return undefined
  const sender = parseAddress(content.value.sender)
  assert(sender !== undefined, 'an envelope has a sender')
  const { no, trace } = content.value
  return { sender, no, tag, ...(trace && { trace }) }
}

export interface SealedRow {
  account_id: AccountId
  seq: number
  tag: Uint8Array
  sealed: Uint8Array
}
