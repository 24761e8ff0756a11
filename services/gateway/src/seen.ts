// An entry as one device of the account sees it: with its own part where there are parts, and with
// nothing where there is nothing for it. It is pushed all the same: no entry is skipped.

import { type DeviceAddress, Entry } from '@twotick/protocol'
import type { StoredEntry, StoredEnvelope } from '@twotick/protocol/services'
import type { SeenEntry } from './page.ts'

/** What an envelope costs on the wire beside its ciphertext, about. */
const ENVELOPE_BYTES = 128

export function seenBy(device: DeviceAddress, stored: StoredEntry): SeenEntry {
  const { seq, acceptedAtMs, content } = stored
  if (content?.$case !== 'envelope') {
    const entry: Entry = { seq, acceptedAtMs, content }
    return { seq, entry, bytes: Entry.encode(entry).finish().length, name: undefined }
  }
  const { sender, no, to, type, trace } = content.value
  const ciphertext = ciphertextFor(device, content.value)
  const entry: Entry = {
    seq,
    acceptedAtMs,
    content: { $case: 'envelope', value: { sender, no, to, type, ciphertext } },
  }
  const name = { seq, sender, no, trace }
  return { seq, entry, bytes: ENVELOPE_BYTES + ciphertext.length, name }
}

const NOTHING = new Uint8Array()

function ciphertextFor(device: DeviceAddress, envelope: StoredEnvelope): Uint8Array {
  const { accountId, deviceId } = device
  const { sender, parts, ciphertext } = envelope
  // What it has sent itself comes back to it for the sake of the order alone.
  if (sender?.accountId === accountId && sender.deviceId === deviceId) return NOTHING
  if (parts.length === 0) return ciphertext
  const own = parts.find(
    ({ address }) => address?.accountId === accountId && address.deviceId === deviceId,
  )
  return own?.ciphertext ?? NOTHING
}
