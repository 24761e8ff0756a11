import { type AccountId, EnvelopeType } from '@twotick/protocol'
import { Appended, type SealedContent, TicksDelivered } from '@twotick/protocol/services'
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { createDoorbell } from './doorbell.ts'
import { createDraft, createPicture } from './draft.ts'

const sender = { accountId: randomUUID() as AccountId, deviceId: 1 }

function heardOf(ring: (draft: ReturnType<typeof createDraft>) => void) {
  const messages: { subject: string; data: Uint8Array }[] = []
  const draft = createDraft(createPicture(0))
  ring(draft)
  createDoorbell({
    publish: (subject, data) => messages.push({ subject, data }) > 0,
  })('epoch', draft)
  return messages
}

function entryOf(bytes: number): SealedContent {
  const ciphertext = new Uint8Array(bytes)
  const to = undefined
  const value = { sender, no: 1, to, type: EnvelopeType.MESSAGE, ciphertext, parts: [] }
  return { content: { $case: 'envelope', value }, lifetimeS: 60, noticedAtMs: 0 }
}

test('what was appended is rung with its entries, in messages that NATS takes', () => {
  // Goal: split below half a MiB, each with the epoch; a mailbox with too many bytes is only rung.
  const [large, ...small] = Array.from({ length: 30 }, () => randomUUID() as AccountId)
  const messages = heardOf((draft) => {
    const append = (accountId: AccountId, seq: number, bytes: number) => {
      const content = entryOf(bytes)
      const entry = { accountId, seq, content, sealed: new Uint8Array(bytes + 36) }
      draft.appended.push({ ...entry, tag: new Uint8Array(8), slots: 1, expiresAtMs: 60_000 })
    }
    for (let seq = 1; seq <= 10; seq++) append(large!, seq, 60_000)
    for (const accountId of small) append(accountId, 1, 60_000)
  })
  expect(messages.length).toBeGreaterThan(3)
  for (const { subject, data } of messages) {
    expect(subject).toBe('mailbox.appended')
    expect(data.length).toBeLessThan(540_000)
  }
  const heard = messages.map(({ data }) => Appended.decode(data))
  expect(new Set(heard.map(({ epoch }) => epoch))).toEqual(new Set(['epoch']))
  const rung = heard.flatMap(({ mailboxes }) => mailboxes)
  expect(rung.map((mailbox) => mailbox.accountId)).toEqual([large, ...small])
  expect(rung[0]).toEqual({ accountId: large, headSeq: 10, entries: [] })
  expect(rung[1]).toMatchObject({ headSeq: 1, entries: [{ seq: 1, acceptedAtMs: 0 }] })
})

test('what is put together is no more than a socket is read at once', () => {
  const accounts = Array.from({ length: 100 }, () => randomUUID() as AccountId)
  const messages = heardOf((draft) => {
    for (const accountId of accounts) {
      const entry = { accountId, seq: 1, content: entryOf(1_000), sealed: new Uint8Array(1_036) }
      draft.appended.push({ ...entry, tag: new Uint8Array(8), slots: 1, expiresAtMs: 60_000 })
    }
  })
  expect(messages.length).toBe(3)
  for (const { data } of messages) expect(data.length).toBeLessThan(64 * 1_024)
  const heard = messages.flatMap(({ data }) => Appended.decode(data).mailboxes)
  expect(heard.map(({ accountId }) => accountId)).toEqual(accounts)
})

test('ticks are ranges of exactly what was delivered', () => {
  // Goal: contiguous numbers alone are one range; each sender and recipient has its own.
  const [to, other] = [randomUUID() as AccountId, randomUUID() as AccountId]
  const messages = heardOf((draft) => {
    for (const no of [4, 1, 2, 9]) {
      draft.ticks.push({ recipientAccountId: to, seq: no, name: { sender, no } })
    }
    draft.ticks.push({ recipientAccountId: other, seq: 3, name: { sender, no: 3 } })
  })
  expect(messages.map((message) => message.subject)).toEqual(['mailbox.delivered'])
  expect(TicksDelivered.decode(messages[0]!.data)).toEqual({
    epoch: 'epoch',
    ticks: [
      {
        sender,
        recipientAccountId: to,
        nos: [
          { first: 1, last: 2 },
          { first: 4, last: 4 },
          { first: 9, last: 9 },
        ],
      },
      { sender, recipientAccountId: other, nos: [{ first: 3, last: 3 }] },
    ],
  })
})
