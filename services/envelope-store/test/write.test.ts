import { afterAll, beforeAll, expect, test } from 'vitest'
import { waitFor } from '../../../test/wait.ts'
import { openSender, textOf } from './envelope.ts'
import { startStore, type TestStore } from './store.ts'

let store: TestStore
beforeAll(async () => {
  store = await startStore()
})
afterAll(() => store.close())

test('a message goes from one device to three, with one tick each, and leaves nothing', async () => {
  // Goal: first tick after the commit, second tick by the first device, the row until the last.
  const [alice] = await store.account()
  const bobs = await store.account(3)
  const sender = await openSender(store, alice!)
  const outcome = await sender.send([bobs[0]!.accountId], { ciphertext: Buffer.from('hello') })
  expect(outcome?.$case).toBe('stored')

  const fetched = await store.fetch(bobs[0]!)
  expect(fetched).toMatchObject({ headSeq: 1, ackedSeq: 0, isComplete: true })
  expect(textOf(fetched.entries[0])).toBe('hello')

  expect(await store.ack(bobs[1]!, 1)).toEqual({ $case: 'acked', value: { ackedSeq: 1 } })
  await waitFor(() => store.heard.ticks.length > 0)
  await store.ack(bobs[0]!, 1)
  expect((await store.fetch(bobs[2]!)).entries).toHaveLength(1)
  await store.ack(bobs[2]!, 1)
  expect(await store.rows('select from mailbox.entry')).toHaveLength(0)
  expect(store.heard.ticks).toEqual([
    { sender: alice, recipientAccountId: bobs[0]!.accountId, nos: [{ first: 1, last: 1 }] },
  ])
  const [mailbox] = await store.rows('select * from mailbox.mailbox where account_id = $1', [
    bobs[0]!.accountId,
  ])
  expect(mailbox).toMatchObject({ head_seq: '1', bytes: '0', a1: '1', a2: '1', a3: '1' })
})
