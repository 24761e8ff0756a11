// The code that a new device shows and a person carries to the primary: the public key and 3 bytes
// of its hash, 56 characters in groups of four. It may have to be typed from one screen into another
// machine, so its alphabet has no look-alikes, and a slip is found here instead of linking a key
// that nobody has.

import { createHash } from 'node:crypto'

const ALPHABET = 'abcdefghjkmnpqrstuvwxyz023456789' // no i, l, o, 1
const KEY_BYTES = 32
const CHECK_BYTES = 3
const CODE_CHARACTERS = ((KEY_BYTES + CHECK_BYTES) * 8) / 5

function checkOf(publicKey: Uint8Array): Uint8Array {
  return createHash('sha256')
    .update('twotick-link-code')
    .update(publicKey)
    .digest()
    .subarray(0, CHECK_BYTES)
}

/** `abcd-efgh-…`, in as few lines as a terminal needs. */
export function showLinkCode(publicKey: Uint8Array): string {
  const bytes = [...publicKey, ...checkOf(publicKey)]
  const bits = bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const characters = bits.match(/.{5}/g)?.map((five) => ALPHABET[Number.parseInt(five, 2)]) ?? []
  return characters.join('').replace(/.{4}(?=.)/g, '$&-')
}

/** The public key; undefined if the code is not one, or has a slip in it. */
export function readLinkCode(code: string): Uint8Array | undefined {
  const characters = [...code.toLowerCase().replace(/[-\s]/g, '')]
  const values = characters.map((character) => ALPHABET.indexOf(character))
  if (values.length !== CODE_CHARACTERS || values.includes(-1)) return undefined
  const bits = values.map((value) => value.toString(2).padStart(5, '0')).join('')
  const bytes = Uint8Array.from(bits.match(/.{8}/g) ?? [], (eight) => Number.parseInt(eight, 2))
  const publicKey = bytes.slice(0, KEY_BYTES)
  const isWhole = checkOf(publicKey).every((byte, at) => byte === bytes[KEY_BYTES + at])
  return isWhole ? publicKey : undefined
}
