// Entries at rest: AES-256-GCM over an entry's whole content, metadata included. In front the key's
// id, so that keys can change; the account and the tag are authenticated along, so that a sealed
// entry is of no use in another mailbox or under another tag.
//
//   key id (4 bytes, big endian) | nonce (12) | ciphertext | authentication tag (16)
//
// A nonce must never come twice under one key: 8 random bytes of this process, then a counter. Copies
// for many accounts may be sealed once (sealed-copies.ts).

import type { AccountId } from '@twotick/protocol'
import { SealedContent } from '@twotick/protocol/services'
import assert from 'node:assert/strict'
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { UUID_BYTES, writeUuid } from './binary-array.ts'
import {
  type Bind,
  BINDING_BYTES,
  bindCopies,
  createBind,
  type SealedCopy,
  unbindCopy,
} from './sealed-copies.ts'

const KEY_ID_BYTES = 4
const NONCE_BYTES = 12
const AUTHENTICATION_BYTES = 16
const ENCRYPTED_AT = KEY_ID_BYTES + NONCE_BYTES
const COUNTER_END = 2 ** 32
/** Set in the key's id: what follows is one of several copies. */
const IS_COPY = 2 ** 31

/** What sealing adds to the bytes of a content. */
export const SEAL_BYTES = KEY_ID_BYTES + NONCE_BYTES + AUTHENTICATION_BYTES

export interface Key {
  readonly id: number
  /** A KeyObject: from plain bytes Node makes one for each entry, 20 µs instead of 5. */
  readonly secret: KeyObject
  /** Copies are sealed once. A release that cannot read that yet refuses the line of such a key. */
  readonly sealsOnce?: boolean
}

/** What is stored of an entry. */
export type Sealed = Uint8Array | SealedCopy

export interface Sealer {
  seal(accountId: AccountId, tag: Uint8Array, content: SealedContent): Uint8Array
  /** The same content for several accounts; in their order. */
  sealCopies(accountIds: readonly AccountId[], tag: Uint8Array, content: SealedContent): Sealed[]
  /** Throws if the entry was sealed with a key that is not there, or is not what it claims to be. */
  open(accountId: AccountId, tag: Uint8Array, sealed: Uint8Array): SealedContent
}

/** Seals with the first key and opens with any. */
export function createSealer(keys: readonly [Key, ...Key[]]): Sealer {
  const [current] = keys
  const byId = new Map(keys.map((key) => [key.id, { ...key, bind: createBind(key.secret) }]))
  const bind = createBind(current.secret)
  const writeNonce = createNonces()

  function encrypt(keyId: number, associated: Uint8Array, plain: Uint8Array): Buffer {
    const sealed = Buffer.allocUnsafe(SEAL_BYTES + plain.length)
    sealed.writeUInt32BE(keyId)
    const nonce = sealed.subarray(KEY_ID_BYTES, ENCRYPTED_AT)
    writeNonce(nonce)
    const cipher = createCipheriv('aes-256-gcm', current.secret, nonce)
    cipher.setAAD(associated)
    sealed.set(cipher.update(plain), ENCRYPTED_AT)
    cipher.final() // nothing: GCM has no padding
    sealed.set(cipher.getAuthTag(), ENCRYPTED_AT + plain.length)
    return sealed
  }

  const sealEncoded = (accountId: AccountId, tag: Uint8Array, plain: Uint8Array) =>
    encrypt(current.id, associatedData(accountId, tag), plain)

  return {
    seal: (accountId, tag, content) => sealEncoded(accountId, tag, encodeContent(content)),
    sealCopies(accountIds, tag, content) {
      if (accountIds.length === 0) return []
      const plain = encodeContent(content)
      if (current.sealsOnce !== true || accountIds.length === 1) {
        return accountIds.map((accountId) => sealEncoded(accountId, tag, plain))
      }
      return bindCopies(bind, encrypt(current.id + IS_COPY, tag, plain), accountIds)
    },
    open(accountId, tag, sealed) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
      assert(bytes.length >= SEAL_BYTES, 'a sealed entry is cut short')
      const marked = bytes.readUInt32BE(0)
      const isCopy = marked >= IS_COPY
      const id = isCopy ? marked - IS_COPY : marked
      const key = byId.get(id)
      if (key === undefined) throw new Error(`no key with id ${id}`)
      const plain = isCopy
        ? decrypt(key.secret, tag, bodyOf(key.bind, bytes, accountId))
        : decrypt(key.secret, associatedData(accountId, tag), bytes)
      return SealedContent.decode(plain)
    },
  }
}

function encodeContent(content: SealedContent): Uint8Array {
  return SealedContent.encode(content).finish()
}

function bodyOf(bind: Bind, copy: Buffer, accountId: AccountId): Buffer {
  assert(copy.length >= SEAL_BYTES + BINDING_BYTES, 'a sealed copy is cut short')
  return unbindCopy(bind, copy, accountId)
}

/** Throws if anything is not as it was sealed. */
function decrypt(secret: KeyObject, associated: Uint8Array, sealed: Buffer): Buffer {
  const nonce = sealed.subarray(KEY_ID_BYTES, ENCRYPTED_AT)
  const decipher = createDecipheriv('aes-256-gcm', secret, nonce)
  decipher.setAAD(associated)
  decipher.setAuthTag(sealed.subarray(-AUTHENTICATION_BYTES))
  const encrypted = sealed.subarray(ENCRYPTED_AT, -AUTHENTICATION_BYTES)
  return Buffer.concat([decipher.update(encrypted), decipher.final()])
}

function associatedData(accountId: AccountId, tag: Uint8Array): Buffer {
  const both = Buffer.allocUnsafe(UUID_BYTES + tag.length)
  writeUuid(both, accountId, 0)
  both.set(tag, UUID_BYTES)
  return both
}

function createNonces(): (nonce: Buffer) => void {
  let random = randomBytes(NONCE_BYTES - 4)
  let counter = 0
  return (nonce) => {
    if (counter === COUNTER_END) {
      random = randomBytes(NONCE_BYTES - 4)
      counter = 0
    }
    random.copy(nonce)
    nonce.writeUInt32BE(counter, NONCE_BYTES - 4)
    counter += 1
  }
}

/**
 * Reads a key file: lines of `id base64(32 bytes)`, the first one to seal with. With ` once` behind,
 * copies for many accounts are sealed once.
 */
export async function readKeys(path: string): Promise<readonly [Key, ...Key[]]> {
  const text = await readFile(path, 'utf8')
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line, index) => parseKey(line, `key ${index + 1} of ${path}`))
  const [first, ...others] = keys
  if (first === undefined) throw new Error(`${path} holds no key`)
  if (new Set(keys.map((key) => key.id)).size < keys.length) {
    throw new Error(`${path} holds two keys with one id`)
  }
  return [first, ...others]
}

function parseKey(line: string, where: string): Key {
  const [id = '', base64 = '', ...rest] = line.split(/\s+/)
  const secret = Buffer.from(base64, 'base64')
  const sealsOnce = rest.join(' ') === 'once'
  if (!/^[0-9]{1,9}$/.test(id) || secret.length !== 32 || (rest.length > 0 && !sealsOnce)) {
    throw new Error(`${where} is not \`id base64(32 bytes)\`, nor that and \`once\``)
  }
  return { id: Number(id), secret: createSecretKey(secret), sealsOnce }
}
