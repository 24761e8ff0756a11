import { type AccountId, EnvelopeType } from '@twotick/protocol'
import type { SealedContent } from '@twotick/protocol/services'
import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSealer, encodeContent, SEAL_BYTES } from './sealed.ts'

const key = (id: number) => ({ id, secret: createSecretKey(randomBytes(32)) })
const accountId = randomUUID() as AccountId
const tag = randomBytes(8)
const content: SealedContent = {
  content: {
    $case: 'envelope',
    value: {
      sender: { accountId, deviceId: 1 },
      no: 7,
      to: undefined,
      type: EnvelopeType.MESSAGE,
      ciphertext: Buffer.from('attack at dawn'),
      parts: [],
    },
  },
  lifetimeS: 60,
  noticedAtMs: 0,
}

test('what is sealed can be opened, and shows nothing', () => {
  // Goal: AES-256-GCM over metadata and ciphertext, with the key's id in front.
  const sealer = createSealer([key(5)])
  const sealed = Buffer.from(sealer.seal(accountId, tag, content))
  expect(sealer.open(accountId, tag, sealed)).toEqual(content)
  expect(sealed.readUInt32BE(0)).toBe(5)
  expect(sealed.includes('attack')).toBe(false)
  expect(sealed.includes(accountId)).toBe(false)
  expect(sealed.length).toBeGreaterThan(SEAL_BYTES)
})

test('a sealed entry is of no use elsewhere', () => {
  // Goal: account and tag are authenticated along, and so is every byte.
  const sealer = createSealer([key(1)])
  const sealed = sealer.seal(accountId, tag, content)
  expect(() => sealer.open(randomUUID() as AccountId, tag, sealed)).toThrow()
  expect(() => sealer.open(accountId, randomBytes(8), sealed)).toThrow()
  for (const at of [5, 20, sealed.length - 1]) {
    const changed = Buffer.from(sealed)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(() => sealer.open(accountId, tag, changed)).toThrow()
  }
})

test('copies that are encoded once are each of use in their own mailbox alone', () => {
  const sealer = createSealer([key(1)])
  const encoded = encodeContent(content)
  const other = randomUUID() as AccountId
  const copies = [accountId, other].map((account) => sealer.sealEncoded(account, tag, encoded))
  const [own = encoded, others = encoded] = copies
  expect(sealer.open(accountId, tag, own)).toEqual(content)
  expect(sealer.open(other, tag, others)).toEqual(content)
  expect(() => sealer.open(other, tag, own)).toThrow()
})

test('keys change: the first one seals, each one opens its own', () => {
  // Goal: entries of an older key stay readable as long as the key is there.
  const [older, newer] = [key(1), key(2)]
  const sealed = createSealer([older]).seal(accountId, tag, content)
  expect(createSealer([newer, older]).open(accountId, tag, sealed)).toEqual(content)
  expect(() => createSealer([newer]).open(accountId, tag, sealed)).toThrow('no key with id 1')
})

test('a nonce never comes twice', () => {
  // Goal: the same content sealed again is another text.
  const sealer = createSealer([key(1)])
  const nonces = Array.from({ length: 1_000 }, () =>
    Buffer.from(sealer.seal(accountId, tag, content))
      .subarray(4, 16)
      .toString('hex'),
  )
  expect(new Set(nonces).size).toBe(1_000)
})
