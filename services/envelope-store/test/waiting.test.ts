import { unary } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSender } from './envelope.ts'
import { startStore, type TestStore } from './store.ts'

let store: TestStore
beforeAll(async () => {
  store = await startStore()
})
afterAll(() => store.close())

/** Of all mailboxes, one a call. */
async function count(): Promise<{ entries: number; oldestAgeMs: number }> {
  const total = { entries: 0, oldestAgeMs: 0 }
  for (let afterAccountId = ''; ;) {
    const { reply } = await ask({ afterAccountId })
    total.entries += reply.entries
    total.oldestAgeMs = Math.max(total.oldestAgeMs, reply.oldestAgeMs)
    if (reply.nextAccountId === '') return total
    afterAccountId = reply.nextAccountId
  }
}

async function ask({ afterAccountId = '', epoch = store.epoch }) {
  const request = { epoch, afterAccountId, mailboxesMax: 1 }
  return { reply: await unary(store.expiry, 'countWaiting', request, { deadlineMs: 5_000 }) }
}

test('what waits is what no device has that it is for', async () => {
  // Goal: the books can be closed: what one device has, own copies and notices do not count.
  const [alice] = await store.account(2)
  const [phone, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  expect(await count()).toEqual({ entries: 0, oldestAgeMs: 0 })
  for (let no = 1; no <= 3; no++) await sender.send([phone!.accountId])
  expect(await count()).toMatchObject({ entries: 3 })
  await store.ack(laptop!, 2)
  expect(await count()).toMatchObject({ entries: 1 })
  await store.ack(phone!, 3)
  expect(await count()).toEqual({ entries: 0, oldestAgeMs: 0 })
})

test('the age is since the first tick, whatever the lifetime', async () => {
  // Goal: an hour is an hour, not what the lifetime leaves of it.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([bob!.accountId], { lifetimeS: 7_200 })
  const ofBob = [bob!.accountId]
  const [entry] = await store.rows<{ expires: string }>(
    'select expires_at::text as expires from mailbox.entry where account_id = $1',
    ofBob,
  )
  // Reckoned before: workers of Citus take no function of a column that depends on a time zone.
  await store.rows(
    `update mailbox.entry set expires_at = $2::timestamptz - interval '1 hour'
      where account_id = $1`,
    [...ofBob, entry?.expires],
  )
  const { entries, oldestAgeMs } = await count()
  expect(entries).toBe(1)
  expect(oldestAgeMs / 3_600_000).toBeCloseTo(1, 2)
})

test('another epoch is told so', async () => {
  // Goal: no count of a history that is no more.
  const { reply } = await ask({ epoch: '0000000000000000' })
  expect(reply.refusal?.code).toBe(RefusalCode.EPOCH_CHANGED)
})
