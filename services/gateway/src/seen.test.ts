// Goal: each device of an account sees every entry, and of each what is for it alone.

import { type AccountId, EnvelopeType } from '@twotick/protocol'
import type { StoredEntry, StoredEnvelope } from '@twotick/protocol/services'
import { expect, test } from 'vitest'
import { seenBy } from './seen.ts'

const ACCOUNT = '00000000-0000-4000-8000-000000000001' as AccountId
const SENDER = { accountId: '00000000-0000-4000-8000-000000000002', deviceId: 1 }
const device = { accountId: ACCOUNT, deviceId: 2 }
const ciphertext = Uint8Array.of(1)

function stored(more: Partial<StoredEnvelope>): StoredEntry {
  const value: StoredEnvelope = {
    sender: SENDER,
    no: 7,
    to: undefined,
    type: EnvelopeType.MESSAGE,
    ciphertext: new Uint8Array(),
    parts: [],
    ...more,
  }
  return { seq: 3, acceptedAtMs: 5, content: { $case: 'envelope', value } }
}

function ciphertextSeen(entry: StoredEntry): number[] | undefined {
  const { content } = seenBy(device, entry).entry
  return content?.$case === 'envelope' ? [...content.value.ciphertext] : undefined
}

const partFor = (deviceId: number) => ({ address: { accountId: ACCOUNT, deviceId }, ciphertext })

test('one ciphertext is for every device', () => {
  expect(ciphertextSeen(stored({ ciphertext }))).toEqual([1])
})

test('of parts it gets its own', () => {
  const parts = [partFor(1), { ...partFor(2), ciphertext: Uint8Array.of(2) }]
  expect(ciphertextSeen(stored({ parts }))).toEqual([2])
})

test('where there is no part for it, it gets an empty entry', () => {
  expect(ciphertextSeen(stored({ parts: [partFor(1)] }))).toEqual([])
})

test('what it has sent itself comes back empty', () => {
  expect(ciphertextSeen(stored({ sender: device, ciphertext }))).toEqual([])
})

test('the name is that of the message; a notice has none', () => {
  expect(seenBy(device, stored({})).name).toEqual({ seq: 3, sender: SENDER, no: 7 })
  const notice = { kind: 1 as const, deviceId: 1, no: 4, closing: true, recipients: [] }
  const entry = seenBy(device, {
    seq: 3,
    acceptedAtMs: 5,
    content: { $case: 'notice', value: notice },
  })
  expect(entry.name).toBeUndefined()
  expect(entry.entry.content).toEqual({ $case: 'notice', value: notice })
})
