// What a message's body holds: an id that the ledger knows it by, and padding to its size.

import { randomBytes } from 'node:crypto'

const ID_BYTES = 9

/** A body of at least `bytes`, and the id in front of it. */
export function makeBody(bytes: number): Uint8Array {
  const id = randomBytes(ID_BYTES).toString('base64url')
  return new TextEncoder().encode(id.padEnd(bytes, ' '))
}

export function idOf(body: Uint8Array): string {
  return new TextDecoder().decode(body).trimEnd()
}
