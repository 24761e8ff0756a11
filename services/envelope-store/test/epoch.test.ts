// The epoch: no request of another history is served, whatever it asks for.

import { unary } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import type { WriteReply } from '@twotick/protocol/services'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { raiseEpoch } from '../../../scripts/servers/database.ts'
import { codeOf, openSender } from './envelope.ts'
import { startStore, type TestStore } from './store.ts'

let store: TestStore
beforeAll(async () => {
  store = await startStore()
})
afterAll(() => store.close())

const OTHER = '0123456789abcdef'
const call = { deadlineMs: 10_000 }

const everything = async () => [
  await store.rows('select * from mailbox.mailbox order by 1'),
  await store.rows('select * from mailbox.sender order by 1, 2'),
  await store.rows('select * from mailbox.entry order by 1, 2'),
]

test('every request of another epoch is refused, changes nothing, and is told the right one', async () => {
  // Goal: after a restore or a fail-over nothing that was meant for the older history is done.
  const [alice] = await store.account()
  const [bob, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  await sender.send([bob!.accountId])
  await store.rows(`update mailbox.entry set expires_at = now()`)
  const before = await everything()

  const { client, expiry } = store
  const epoch = OTHER
  const named = { epoch, device: bob! }
  const { accountId } = bob!
  const page = { afterSeq: 0, entriesMax: 10, bytesMax: 1_000 }
  const sweep = { epoch, afterAccountId: '', mailboxesMax: 10, entriesMax: 10 }
  const question = { epoch, asker: alice!, recipientAccountId: accountId, items: [] }
  const stranger = { accountId: randomUUID(), deviceId: 1 }
  const third = { ...bob!, deviceId: 3 }
  const inOutcome = await Promise.all([
    unary(client, 'openSession', { ...named, afterSession: 0 }, call),
    unary(client, 'fetch', { ...named, ...page }, call),
    unary(client, 'getStatus', question, call),
  ])
  for (const { epoch, outcome } of inOutcome) {
    expect(epoch).toBe(store.epoch)
    expect(outcome).toMatchObject({ value: { code: RefusalCode.EPOCH_CHANGED } })
  }
  const inReply = [
    await unary(client, 'getHeads', { epoch, devices: [bob!] }, call),
    await unary(client, 'createMailbox', { epoch, device: stranger }, call),
    await unary(client, 'addDevice', { epoch, device: third }, call),
    await unary(client, 'removeDevice', { epoch, device: laptop! }, call),
    await unary(client, 'deleteMailbox', { epoch, accountId }, call),
    await unary(expiry, 'expire', sweep, call),
  ]
  for (const { epoch, refusal } of inReply) {
    expect(epoch).toBe(store.epoch)
    expect(refusal?.code).toBe(RefusalCode.EPOCH_CHANGED)
  }
  const stream = client.write({ deadline: Date.now() + 10_000 })
  const replies: WriteReply[] = []
  const answered = new Promise((resolve, reject) => {
    stream.on('data', (reply: WriteReply) => replies.push(reply))
    stream.on('end', resolve).on('error', reject)
  })
  const append = { ...sender.next([accountId]), id: 1 }
  const ack = { device: bob!, seq: 1, names: [] }
  const acks = [
    { ...ack, id: 2, failed: [] },
    { ...ack, id: 3, failed: [1] },
  ]
  stream.end({ epoch, appends: [append], acks })
  await answered
  expect(replies.every((reply) => reply.epoch === store.epoch)).toBe(true)
  const codes = replies.flatMap((reply) => reply.verdicts).map(({ outcome }) => codeOf(outcome))
  expect(codes).toEqual(Array(3).fill(RefusalCode.EPOCH_CHANGED))
  expect(await everything()).toEqual(before)
})

test('a database that was restored is another one to everybody, each time', async () => {
  // Goal: also where the backup lies in the same cluster, and where it is restored for the second time.
  const epochs = [store.epoch]
  for (let restores = 0; restores < 2; restores++) {
    await store.rows('update mailbox.epoch_counter set counter = 0') // as the backup has it
    await raiseEpoch(store.database.url)
    const restored = await startStore({ database: store.database, natsUrl: store.natsUrl })
    epochs.push(restored.epoch)
    await restored.close()
    await new Promise((resolve) => setTimeout(resolve, 1_000)) // nobody restores twice in a second
  }
  expect(new Set(epochs).size).toBe(3)
})
