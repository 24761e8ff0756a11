// The seam between the application's bytes and what the relay carries: here goes the encryption.
// The relay never looks inside. A message that is sent again names the original inside, so that a
// device that has it already does not apply it twice.

import type { Address, Envelope } from '@twotick/protocol'

/** Which message is sent again: its sending device, its first number, where it went. */
export interface Original {
  readonly deviceId: number
  readonly no: number
  readonly accountId?: string // of the sending device, where that is not the envelope's sender's
  readonly conversation?: string // the conversation it was sent to
}

export interface Content {
  readonly body: Uint8Array
  readonly original?: Original
}

export type Encoded =
  | { readonly ciphertext: Uint8Array }
  | { readonly parts: readonly { readonly address: Address; readonly ciphertext: Uint8Array }[] }

export interface Codec {
  /** Whether `encode` wants to know every device that it encrypts for. */
  readonly perDevice: boolean
  /** False: whoever operates the relay can read everything. Say so to the user. */
  readonly encrypts: boolean
  encode(content: Content, devices: readonly Address[]): Encoded | Promise<Encoded>
  /** Throws where this device cannot process the envelope; its sender is told. */
  decode(envelope: Envelope): Content | Promise<Content>
}

const PLAIN_VERSION = 1
const LENGTH_BYTES = 3

/**
 * Does NOT encrypt: one byte version, two bytes header length, a JSON header, then the body as it is.
 * For development, until encryption is there.
 */
export const plainCodec: Codec = {
  perDevice: false,
  encrypts: false,

  encode({ body, original }) {
    const header = new TextEncoder().encode(JSON.stringify(original ? { original } : {}))
    const ciphertext = new Uint8Array(LENGTH_BYTES + header.length + body.length)
    ciphertext.set([PLAIN_VERSION, header.length >> 8, header.length & 0xff])
    ciphertext.set(header, LENGTH_BYTES)
    ciphertext.set(body, LENGTH_BYTES + header.length)
    return { ciphertext }
  },

  decode({ ciphertext }) {
    const [version, high = 0, low = 0] = ciphertext
    const bodyAt = LENGTH_BYTES + (high << 8) + low
    if (version !== PLAIN_VERSION || bodyAt > ciphertext.length) {
      throw new Error('not an envelope of the plain codec')
    }
    const header = new TextDecoder().decode(ciphertext.subarray(LENGTH_BYTES, bodyAt))
    const original = parseOriginal((JSON.parse(header) as { original?: unknown }).original)
    const body = ciphertext.slice(bodyAt)
    return original === undefined ? { body } : { body, original }
  },
}

function parseOriginal(value: unknown): Original | undefined {
  if (value === undefined) return undefined
  const { deviceId, no, accountId, conversation } = value as Record<string, unknown>
  if (!Number.isSafeInteger(deviceId) || !Number.isSafeInteger(no)) {
    throw new Error('names no original')
  }
  return {
    deviceId: Number(deviceId),
    no: Number(no),
    ...(typeof accountId === 'string' && { accountId }),
    ...(typeof conversation === 'string' && { conversation }),
  }
}
