// The device's authentication key: Ed25519 through WebCrypto, used for nothing else.

import type { Identity } from './storage.ts'

/** Makes a key pair. */
export async function createIdentity(): Promise<Identity> {
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as {
    publicKey: Parameters<typeof crypto.subtle.exportKey>[1]
    privateKey: Parameters<typeof crypto.subtle.exportKey>[1]
  }
  return {
    publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)),
    privateKey: new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey)),
  }
}

export type Sign = (bytes: Uint8Array) => Promise<Uint8Array>

export async function createSigner({ privateKey }: Identity): Promise<Sign> {
  const pkcs8 = new Uint8Array(privateKey)
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', false, ['sign'])
  return async (bytes) =>
    new Uint8Array(await crypto.subtle.sign('Ed25519', key, new Uint8Array(bytes)))
}

export function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length))
}
