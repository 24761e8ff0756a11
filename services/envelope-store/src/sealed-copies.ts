// A group's copies, sealed once: the same bytes for everybody, and behind them what binds each to its
// account, so that it is of no use in another mailbox. A seal for each was half of what the store
// did for a group (docs/decisions/0010).
//
//   key id, its highest bit set (4 bytes) | nonce (12) | ciphertext | authentication tag (16) | binding (16)
//
// The binding is a CBC-MAC over two blocks, the authentication tag and the account's UUID, by AES-256
// under a key of its own. That is a MAC because all that it is ever taken of has this one length.

import type { AccountId } from '@twotick/protocol'
import { createCipheriv, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'
import { writeUuid } from './binary-array.ts'

const BLOCK_BYTES = 16
export const BINDING_BYTES = BLOCK_BYTES

/** A copy as it is stored: first `body`, which it shares with the others, and then `binding`. */
export interface SealedCopy {
  readonly body: Uint8Array
  readonly binding: Uint8Array
  readonly length: number
}

/** Binds what has this authentication tag to accounts: 16 bytes for each. */
export type Bind = (authenticationTag: Uint8Array, accountIds: readonly AccountId[]) => Buffer

export function createBind(secret: KeyObject): Bind {
  const key = new Uint8Array(hkdfSync('sha256', secret, '', 'twotick sealed copies', 32))
  // ECB is AES itself: blocks in, blocks out, nothing kept in between.
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
  return (authenticationTag, accountIds) => {
    const first = cipher.update(authenticationTag)
    const blocks = Buffer.allocUnsafe(BLOCK_BYTES * accountIds.length)
    let at = 0
    for (const accountId of accountIds) {
      writeUuid(blocks, accountId, at)
      for (const byte of first) blocks[at] = (blocks[at++] ?? 0) ^ byte
    }
    return cipher.update(blocks)
  }
}

/** The copies of a sealed body, in the order of their accounts. */
export function bindCopies(bind: Bind, body: Buffer, accountIds: readonly AccountId[]) {
  const bindings = bind(body.subarray(-BLOCK_BYTES), accountIds)
  const length = body.length + BINDING_BYTES
  return accountIds.map((_, index): SealedCopy => {
    const binding = bindings.subarray(index * BINDING_BYTES, (index + 1) * BINDING_BYTES)
    return { body, binding, length }
  })
}

/** The body of a copy that was read. Throws if it was made for another account. */
export function unbindCopy(bind: Bind, copy: Buffer, accountId: AccountId): Buffer {
  const body = copy.subarray(0, -BINDING_BYTES)
  const binding = bind(body.subarray(-BLOCK_BYTES), [accountId])
  if (!timingSafeEqual(binding, copy.subarray(-BINDING_BYTES))) {
    throw new Error('a sealed copy is bound to another account')
  }
  return body
}
