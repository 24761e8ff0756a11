// The tag of a message and the chain of tags of a sender. `sent_tag` condenses which messages the
// store accepted, in which order, into 8 bytes, so that a device restored from an old copy of its
// store finds out (design: STREAM_FORKED).

import { sha256 } from '@noble/hashes/sha2.js'

export const TAG_BYTES = 8

/** The chain before the first send. */
export const FIRST_SENT_TAG: Uint8Array = new Uint8Array(TAG_BYTES)

// One hash object for all: to make one takes longer than to hash 16 bytes.
const initial = sha256.create()
const hash = sha256.create()
const both = new Uint8Array(2 * TAG_BYTES)
const digest = new Uint8Array(32)

/** The chain after one more accepted message: first 8 bytes of SHA-256(sent_tag, tag). */
export function nextSentTag(sentTag: Uint8Array, tag: Uint8Array): Uint8Array {
  both.fill(0)
  both.set(sentTag, 0)
  both.set(tag, TAG_BYTES)
  initial._cloneInto(hash)
  hash.update(both).digestInto(digest)
  return digest.slice(0, TAG_BYTES)
}
