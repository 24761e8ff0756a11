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
  expect(rung[0]).toEqual({ accountId: large, headSeq: 10, entries: [], copies: [] })
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

test('what many mailboxes get is rung once, with the seq that it has in each', () => {
  // Goal: a group's messages; what a mailbox has for itself, and what is traced, is left in it.
  const accounts = Array.from({ length: 100 }, () => randomUUID() as AccountId)
  const [own, first, second, traced] = [1, 2, 3, 4].map(() => entryOf(1_000))
  if (traced?.content?.$case === 'envelope') traced.content.value.trace = new Uint8Array(25)
  const messages = heardOf((draft) => {
    for (const accountId of accounts) {
      const append = (seq: number, content: SealedContent | undefined) => {
        const entry = { accountId, seq, content: content!, sealed: new Uint8Array(1_036) }
        draft.appended.push({ ...entry, tag: new Uint8Array(8), slots: 1, expiresAtMs: 65_000 })
      }
      append(7, first)
      if (accountId === accounts[0]) append(8, own)
      append(9, second)
      if (accountId === accounts[1] || accountId === accounts[2]) append(10, traced)
    }
  })
  expect(messages.length).toBe(1)
  const { mailboxes, contents } = Appended.decode(messages[0]!.data)
  expect(mailboxes.map(({ accountId }) => accountId)).toEqual(accounts)
  expect(contents.map(({ acceptedAtMs }) => acceptedAtMs)).toEqual([5_000, 5_000])
  const [key, other] = contents.map(({ key }) => key)
  expect(key).not.toBe(other)
  for (const { copies } of mailboxes) {
    expect(copies).toEqual([
      { seq: 7, key },
      { seq: 9, key: other },
    ])
  }
  const entries = mailboxes.map((mailbox) => mailbox.entries.map(({ seq }) => seq))
  expect(entries.slice(0, 4)).toEqual([[8], [10], [10], []])
  expect(mailboxes[1]?.headSeq).toBe(10)
})

test('what is shared counts for the size of a message, once', () => {
  const accounts = Array.from({ length: 20 }, () => randomUUID() as AccountId)
  const contents = Array.from({ length: 12 }, () => entryOf(60_000))
  const messages = heardOf((draft) => {
    for (const [index, content] of contents.entries()) {
      for (const accountId of accounts.slice(index < 2 ? 0 : 10)) {
        const entry = { accountId, seq: index + 1, content, sealed: new Uint8Array(60_036) }
        draft.appended.push({ ...entry, tag: new Uint8Array(8), slots: 1, expiresAtMs: 60_000 })
      }
    }
  })
  const heard = messages.map(({ data }) => Appended.decode(data))
  const told = heard.flatMap(({ mailboxes }) => mailboxes.map(({ copies }) => copies.length))
  expect(told).toEqual(accounts.map((_, index) => (index < 10 ? 2 : 0)))
  expect(heard.map((message) => message.contents.length)).toEqual([2])
})

test('what one message has gateways push is bounded, however small it is itself', () => {
  const accounts = Array.from({ length: 100 }, () => randomUUID() as AccountId)
  const content = entryOf(60_000)
  const messages = heardOf((draft) => {
    for (const accountId of accounts) {
      const entry = { accountId, seq: 1, content, sealed: new Uint8Array(60_036) }
      draft.appended.push({ ...entry, tag: new Uint8Array(8), slots: 1, expiresAtMs: 60_000 })
    }
  })
  const heard = messages.map(({ data }) => Appended.decode(data))
  expect(heard.map(({ contents }) => contents.length)).toEqual([1, 1, 1])
  expect(heard.flatMap(({ mailboxes }) => mailboxes.map((one) => one.accountId))).toEqual(accounts)
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
