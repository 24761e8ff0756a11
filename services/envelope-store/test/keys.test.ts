// What changes with every message has a plain index, as a unique one looks through all versions of a
// row (0003-keys.sql). That a row is there once is held up by its key beside it.

import { randomUUID } from 'node:crypto'
import type { AccountId, DeviceAddress } from '@twotick/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startStore, type TestStore } from './store.ts'

const AT_ONCE = 20

let store: TestStore
beforeAll(async () => {
  store = await startStore()
})
afterAll(() => store.close())

// A Citus keeps its primary keys: they let it move shards.
const options = { skip: process.env['TWOTICK_TEST_POSTGRES'] === 'citus' }

test('no unique index is on what changes with every message', options, async () => {
  const indexes = await store.rows<{ unique: boolean }>(`
    select indisunique as unique from pg_index
     where indrelid in ('mailbox.mailbox'::regclass, 'mailbox.sender'::regclass)`)
  expect(indexes).toEqual([{ unique: false }, { unique: false }])
})

test('a mailbox and a device made many times at once are there once', async () => {
  const phone = { accountId: randomUUID() as AccountId, deviceId: 1 }
  const laptop = { ...phone, deviceId: 2 }
  const often = <T>(make: () => Promise<T>) => Promise.all(Array.from({ length: AT_ONCE }, make))
  await often(() => store.createMailbox(phone))
  await often(() => store.addDevice(laptop))
  expect(await countOf('mailbox', phone)).toBe(1)
  expect(await countOf('sender', phone)).toBe(2)
  expect(await store.heads(phone, laptop)).toMatchObject([{ hasCursor: true }, { hasCursor: true }])
})

test('a row that is there already is not inserted again, whoever tries', options, async () => {
  const [phone] = await store.account()
  await store.rows(`insert into mailbox.mailbox (account_id) values ($1)`, [phone!.accountId])
  await store.rows(`insert into mailbox.sender (account_id, device_id) values ($1, $2)`, [
    phone!.accountId,
    phone!.deviceId,
  ])
  expect(await countOf('mailbox', phone!)).toBe(1)
  expect(await countOf('sender', phone!)).toBe(1)
})

test('a mailbox that was deleted leaves no key', options, async () => {
  const [phone] = await store.account()
  await store.deleteMailbox(phone!.accountId)
  expect(await countOf('mailbox_key', phone!)).toBe(0)
  expect(await countOf('sender_key', phone!)).toBe(1)
})

async function countOf(table: string, { accountId }: DeviceAddress): Promise<number> {
  const text = `select from mailbox.${table} where account_id = $1`
  return (await store.rows(text, [accountId])).length
}
