// Ed25519 signatures of devices. Public keys are 32 raw bytes; turning one into a KeyObject costs
// about as much as verifying, so the objects are kept.

import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { LRUCache } from 'lru-cache'

export const PUBLIC_KEY_BYTES = 32
export const NONCE_BYTES = 32
const SIGNATURE_BYTES = 64

// The DER of an Ed25519 SubjectPublicKeyInfo up to the key itself (RFC 8410).
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

// Nobody's key: what an unknown device is checked against, so that it takes as long as a known one.
const NOBODYS_KEY = Buffer.alloc(PUBLIC_KEY_BYTES, 9)

const keys = new LRUCache<string, KeyObject>({ max: 10_000 })

function keyObject(publicKey: Uint8Array): KeyObject {
  const name = Buffer.from(publicKey).toString('base64')
  const known = keys.get(name)
  if (known !== undefined) return known
  const der = Buffer.concat([SPKI_PREFIX, publicKey])
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  keys.set(name, key)
  return key
}

/**
 * Whether `signature` over `message` is by this key. Without a key it is false, after as much work
 * as with one: an unknown device and a bad signature look the same.
 */
export function isSignedBy(
  publicKey: Uint8Array | undefined,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const isKey = publicKey?.length === PUBLIC_KEY_BYTES
  const padded = signature.length === SIGNATURE_BYTES ? signature : Buffer.alloc(SIGNATURE_BYTES)
  const isGood = verify(null, message, keyObject(isKey ? publicKey : NOBODYS_KEY), padded)
  return isGood && isKey && signature.length === SIGNATURE_BYTES
}
