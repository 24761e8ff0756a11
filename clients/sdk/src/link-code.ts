// The code that a new device shows and a person carries to the primary: the public key and 3 bytes
// of its hash, 56 characters in groups of four. It may have to be typed from one screen into another
// machine, so its alphabet has no look-alikes, and a slip is found here instead of linking a key
// that nobody has.

const ALPHABET = 'abcdefghjkmnpqrstuvwxyz023456789' // no i, l, o, 1
const KEY_BYTES = 32
const CHECK_BYTES = 3
const CODE_CHARACTERS = ((KEY_BYTES + CHECK_BYTES) * 8) / 5
const CHECK_LABEL = new TextEncoder().encode('twotick-link-code')

/** `abcd-efgh-…`: 14 groups. */
export async function showLinkCode(publicKey: Uint8Array): Promise<string> {
  const bytes = [...publicKey, ...(await checkOf(publicKey))]
  const bits = bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const characters = bits.match(/.{5}/g)?.map((five) => ALPHABET[Number.parseInt(five, 2)]) ?? []
  return characters.join('').replace(/.{4}(?=.)/g, '$&-')
}

/** The public key in a link code; undefined if it is not one, or has a slip in it. */
export async function readLinkCode(code: string): Promise<Uint8Array | undefined> {
  const characters = [...code.toLowerCase().replace(/[-\s]/g, '')]
  const values = characters.map((character) => ALPHABET.indexOf(character))
  if (values.length !== CODE_CHARACTERS || values.includes(-1)) return undefined
  const bits = values.map((value) => value.toString(2).padStart(5, '0')).join('')
  const bytes = Uint8Array.from(bits.match(/.{8}/g) ?? [], (eight) => Number.parseInt(eight, 2))
  const publicKey = bytes.slice(0, KEY_BYTES)
  const isWhole = (await checkOf(publicKey)).every((byte, at) => byte === bytes[KEY_BYTES + at])
  return isWhole ? publicKey : undefined
}

async function checkOf(publicKey: Uint8Array): Promise<Uint8Array> {
  const bytes = new Uint8Array([...CHECK_LABEL, ...publicKey])
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).subarray(0, CHECK_BYTES)
}
