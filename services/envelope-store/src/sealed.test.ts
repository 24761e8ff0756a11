import { type AccountId, EnvelopeType } from '@twotick/protocol'
import type { SealedContent } from '@twotick/protocol/services'
import { createCipheriv, createSecretKey, hkdfSync, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { byteaArray } from './binary-array.ts'
import { createSealer, readKeys, SEAL_BYTES, type Sealed } from './sealed.ts'

const key = (id: number, sealsOnce = false) => {
  return { id, secret: createSecretKey(randomBytes(32)), sealsOnce }
}

/** As it is stored: an array of one has 24 bytes in front. */
const stored = (sealed: Sealed | undefined) => byteaArray(sealed ? [sealed] : []).subarray(24)
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

const others = [randomUUID(), randomUUID()] as [AccountId, AccountId]

test.each([false, true])('copies are each of use in their own mailbox alone (once: %s)', (once) => {
  const sealer = createSealer([key(1, once)])
  const accounts = [accountId, ...others]
  const copies = sealer.sealCopies(accounts, tag, content)
  const rows = copies.map(stored)
  expect(rows.map(({ length }) => length)).toEqual(copies.map(({ length }) => length))
  for (const [index, row] of rows.entries()) {
    for (const account of accounts) {
      const open = () => sealer.open(account, tag, row)
      if (account === accounts[index]) expect(open()).toEqual(content)
      else expect(open).toThrow()
    }
    expect(row.includes('attack')).toBe(false)
  }
  expect(sealer.sealCopies([], tag, content)).toEqual([])
})

test('copies that are sealed once: every byte counts, and the tag', () => {
  const sealer = createSealer([key(3, true)])
  const [copy] = sealer.sealCopies([accountId, ...others], tag, content)
  const row = stored(copy)
  expect(row.readUInt32BE(0)).toBe(2 ** 31 + 3)
  expect(() => sealer.open(accountId, randomBytes(8), row)).toThrow()
  for (let at = 0; at < row.length; at++) {
    const changed = Buffer.from(row)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(() => sealer.open(accountId, tag, changed), `byte ${at}`).toThrow()
  }
  for (let length = 0; length < row.length; length++) {
    expect(() => sealer.open(accountId, tag, row.subarray(0, length))).toThrow()
  }
  // Nor is it an entry of its own, without what binds it.
  const alone = Buffer.from(row.subarray(0, -16))
  alone.writeUInt32BE(3)
  expect(() => sealer.open(accountId, tag, alone)).toThrow()
})

test('the binding is what the documentation says', () => {
  // Goal: anybody can check it: AES-256-CBC over the tag and the account, its last block.
  const one = key(1, true)
  const [copy] = createSealer([one]).sealCopies([accountId, ...others], tag, content)
  const row = stored(copy)
  const derived = hkdfSync('sha256', one.secret, '', 'twotick sealed copies', 32)
  const cbc = createCipheriv('aes-256-cbc', Buffer.from(derived), Buffer.alloc(16))
  const account = Buffer.from(accountId.replaceAll('-', ''), 'hex')
  const blocks = cbc.setAutoPadding(false).update(Buffer.concat([row.subarray(-32, -16), account]))
  expect(blocks.subarray(-16).toString('hex')).toBe(row.subarray(-16).toString('hex'))
})

test('a copy for one account alone, and one by a key without `once`, is as any entry is', () => {
  const sealer = createSealer([key(1, true), key(2)])
  const [alone] = sealer.sealCopies([accountId], tag, content)
  const plain = createSealer([key(2), key(1, true)])
  for (const sealed of [alone, ...plain.sealCopies([accountId, ...others], tag, content)]) {
    expect(stored(sealed).readUInt32BE(0)).toBeLessThan(2 ** 31)
  }
})

test('a key file says which keys seal once, and what is wrong with it', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'twotick-keys-')), 'seal-keys')
  const base64 = randomBytes(32).toString('base64')
  writeFileSync(path, `2 ${base64} once\n\n# older\n1 ${base64}\n`)
  const keys = await readKeys(path)
  expect(keys.map(({ id, sealsOnce }) => [id, sealsOnce])).toEqual([
    [2, true],
    [1, false],
  ])
  for (const wrong of [`1 ${base64} twice`, `1 ${base64} once once`, '1 abc', `x ${base64}`]) {
    writeFileSync(path, `${wrong}\n`)
    await expect(readKeys(path)).rejects.toThrow('is not `id base64(32 bytes)`')
  }
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
