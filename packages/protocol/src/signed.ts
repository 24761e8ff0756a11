// What a device signs, byte for byte (see the comments in device.proto). Both sides build it here.

import { type AccountId, type DeviceAddress } from './address.ts'

const encoder = new TextEncoder()

function signed(label: string, ...fields: readonly (string | Uint8Array)[]): Uint8Array {
  const parts: Uint8Array[] = [encoder.encode(label)]
  for (const field of fields) {
    parts.push(Uint8Array.of(0), typeof field === 'string' ? encoder.encode(field) : field)
  }
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function joined(nonce: Uint8Array, text: string): Uint8Array {
  const tail = encoder.encode(text)
  const bytes = new Uint8Array(nonce.length + tail.length)
  bytes.set(nonce, 0)
  bytes.set(tail, nonce.length)
  return bytes
}

/** What opens a connection: where the device dialled, and the gateway's nonce. */
export interface Handshake {
  readonly audience: string
  readonly nonce: Uint8Array
}

export function signedHello(at: Handshake, address: DeviceAddress, clientVersion: string) {
  const who = `${address.accountId}:${address.deviceId}`
  return signed('twotick-auth-v1', at.audience, joined(at.nonce, who), clientVersion)
}

export function signedRegister(at: Handshake, handle: string) {
  return signed('twotick-register-v1', at.audience, joined(at.nonce, handle))
}

export function signedClaim(at: Handshake, publicKey: Uint8Array) {
  const both = new Uint8Array(at.nonce.length + publicKey.length)
  both.set(at.nonce, 0)
  both.set(publicKey, at.nonce.length)
  return signed('twotick-claim-v1', at.audience, both)
}

export function signedLink(accountId: AccountId, publicKey: Uint8Array) {
  return signed('twotick-link-v1', accountId, publicKey)
}
