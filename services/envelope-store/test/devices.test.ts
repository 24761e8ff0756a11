import { type AccountId, NoticeKind, RefusalCode } from '@twotick/protocol'
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { findOrphans } from '../src/orphans.ts'
import { codeOf, noticeOf, openSender, textOf } from './envelope.ts'
import { untilWaiting } from './lock-waits.ts'
import { startStore, type TestStore } from './store.ts'

let store: TestStore
beforeAll(async () => {
  store = await startStore()
})
afterEach(async () => {
  expect(Object.values(await findOrphans(store.db))).toEqual([0, 0, 0, 0, 0, 0])
})
afterAll(() => store.close())

const slotsOf = async (accountId: AccountId) =>
  (
    await store.rows<{ slots: number }>(
      'select slots from mailbox.entry where account_id = $1 order by seq',
      [accountId],
    )
  ).map((row) => row.slots)

test('making a mailbox again changes nothing, not even after the account is gone', async () => {
  // Goal: a late repetition of CreateMailbox neither resets nor revives a mailbox.
  const [alice] = await store.account()
  const [bob] = await store.account()
  await (await openSender(store, alice!)).send([bob!.accountId])
  expect(await store.createMailbox(bob!)).toMatchObject({ done: true })
  expect((await store.fetch(bob!)).headSeq).toBe(1)
  await store.deleteMailbox(bob!.accountId)
  expect(await store.createMailbox(bob!)).toMatchObject({ done: true })
  expect(await store.heads(bob!)).toMatchObject([{ hasCursor: false }])
})

test('a linked device begins at the head', async () => {
  // Goal: nothing sent to both is missed by either; nothing older is pushed to the new one.
  const [alice] = await store.account()
  const [phone] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([phone!.accountId])
  const linked = { ...phone!, deviceId: 2 }
  await store.addDevice(linked)
  await sender.send([phone!.accountId])
  expect((await store.fetch(linked)).entries.map(textOf)).toEqual(['message 2'])
  expect((await store.fetch(phone!)).entries.map(textOf)).toEqual(['message 1', 'message 2'])
  expect(await slotsOf(phone!.accountId)).toEqual([0b01, 0b11])
})

test('adding a device again changes nothing, not even after it was removed', async () => {
  // Goal: a late repetition of AddDevice adds no cursor that nobody would remove.
  const [phone, laptop] = await store.account(2)
  const [alice] = await store.account()
  await (await openSender(store, alice!)).send([phone!.accountId])
  await store.addDevice(laptop!)
  expect((await store.fetch(laptop!)).entries).toHaveLength(1)
  await store.removeDevice(laptop!)
  expect(await store.addDevice(laptop!)).toMatchObject({ done: true })
  expect(await store.heads(laptop!)).toMatchObject([{ hasCursor: false }])
})

test('an AddDevice that comes after its RemoveDevice adds nothing', async () => {
  // Goal: a link undone before the store heard of it leaves no cursor.
  const [phone] = await store.account()
  const never = { ...phone!, deviceId: 2 }
  await store.removeDevice(never)
  await store.addDevice(never)
  expect(await store.heads(never)).toMatchObject([{ hasCursor: false }])
})

test('a sixth device finds no slot, a device without mailbox nothing at all', async () => {
  // Goal: DEVICE_LIMIT and NOT_FOUND, each without a trace.
  const devices = await store.account(5)
  const sixth = { ...devices[0]!, deviceId: 6 }
  expect((await store.addDevice(sixth)).refusal?.code).toBe(RefusalCode.DEVICE_LIMIT)
  expect(await store.addDevice(devices[4]!)).toMatchObject({ done: true })
  await store.removeDevice(devices[2]!)
  expect(await store.addDevice(sixth)).toMatchObject({ done: true })
  const stranger = { accountId: randomUUID() as AccountId, deviceId: 1 }
  expect((await store.addDevice(stranger)).refusal?.code).toBe(RefusalCode.NOT_FOUND)
  const rows = await store.rows('select from mailbox.sender where account_id = $1', [
    stranger.accountId,
  ])
  expect(rows).toHaveLength(0)
})

test('what an unlinked device had stays delivered, for the others too', async () => {
  // Goal: what it had becomes slots 0: no second tick from another device, no notice.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  await (await openSender(store, alice!)).send([phone!.accountId])
  await store.ack(laptop!, 1)
  await store.removeDevice(laptop!)
  expect(await slotsOf(phone!.accountId)).toEqual([0])
  expect((await store.fetch(phone!)).entries.map(textOf)).toEqual(['message 1'])
  expect((await store.fetch(alice!)).headSeq).toBe(0)
})

test('what only an unlinked device could have had leaves one closing notice', async () => {
  // Goal: its bit leaves; where it was the last one, undelivered, the sender is told once.
  const [alice] = await store.account()
  const [phone] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([phone!.accountId])
  const laptop = { ...phone!, deviceId: 2 }
  await store.addDevice(laptop)
  await sender.send([phone!.accountId])
  await store.removeDevice(phone!)
  const { entries } = await store.fetch(alice!)
  expect(entries.map(noticeOf)).toEqual([
    {
      kind: NoticeKind.UNDELIVERABLE,
      deviceId: 1,
      no: 1,
      closing: true,
      recipients: [{ accountId: phone!.accountId, deviceIds: [] }],
    },
  ])
  expect(await slotsOf(phone!.accountId)).toEqual([0b10])
})

test('a slot is free only once no entry holds it', async () => {
  // Goal: over many steps the cursor and the session go last; a new device inherits no bit.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  await store.write(Array.from({ length: 450 }, () => sender.next([phone!.accountId])))
  const { session } = await store.openSession(laptop!)
  expect(await store.removeStep(laptop!)).toMatchObject({ done: false })
  expect(await store.heads(laptop!)).toMatchObject([{ hasCursor: true, session }])
  expect((await store.addDevice({ ...phone!, deviceId: 3 })).done).toBe(true)
  const [mailbox] = await store.rows('select d2, d3 from mailbox.mailbox where account_id = $1', [
    phone!.accountId,
  ])
  expect(mailbox).toEqual({ d2: 2, d3: 3 })
  expect(await store.removeDevice(laptop!)).toBe(2)
  const [sent] = await store.rows(
    'select session from mailbox.sender where account_id = $1 and device_id = 2',
    [phone!.accountId],
  )
  expect(sent).toEqual({ session: String(session + 1) })
  expect(new Set(await slotsOf(phone!.accountId))).toEqual(new Set([0b001]))
})

test('the last device of an account takes everything with it, notices last', async () => {
  // Goal: nobody is left to wait; every sender is told.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  await (await openSender(store, bob!)).send([randomUUID() as AccountId])
  await store.write(Array.from({ length: 250 }, () => sender.next([bob!.accountId])))
  await store.removeStep(bob!)
  const left = await store.fetch(bob!)
  expect(left.entries.map((entry) => noticeOf(entry)?.no)).toContain(1)
  await store.removeDevice(bob!)
  const rows = await store.rows('select from mailbox.entry where account_id = $1', [bob!.accountId])
  expect(rows).toHaveLength(0)
  expect((await store.fetch(alice!)).headSeq).toBe(250)
})

test('a deleted account tells every sender, and keeps its own notices to the last', async () => {
  // Goal: undelivered leaves a notice, delivered none; status stays right until the end.
  const [alice] = await store.account()
  const [bob, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  const fromBob = await openSender(store, bob!)
  await fromBob.send([randomUUID() as AccountId])
  await store.write(Array.from({ length: 250 }, () => sender.next([bob!.accountId])))
  await store.ack(laptop!, 2 + 10)
  expect(await store.deleteStep(bob!.accountId)).toMatchObject({ done: false })
  const left = await store.fetch(bob!)
  expect(left.entries.map((entry) => noticeOf(entry)?.no).filter(Boolean)).toEqual([1])
  await store.deleteMailbox(bob!.accountId)
  expect(codeOf(await fromBob.send([alice!.accountId]))).toBe(RefusalCode.UNLINKED)
  const notices = (await store.fetch(alice!)).entries.map(noticeOf)
  expect(notices.map((notice) => notice?.no)).toEqual(
    Array.from({ length: 240 }, (_, index) => index + 11),
  )
  const senders = await store.rows(
    'select session from mailbox.sender where account_id = $1 order by device_id',
    [bob!.accountId],
  )
  expect(senders).toEqual([{ session: '2' }, { session: '1' }])
})

test('what is appended while a device is looked at keeps its cursor', async () => {
  // Goal: found without locks, read again under them; the slot is free only when no entry holds it.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  const { accountId } = phone!
  await (await openSender(store, alice!)).send([accountId])
  const holder = await store.db.connect()
  await holder.query('begin')
  await holder.query('select from mailbox.mailbox where account_id = $1 for update', [accountId])
  const step = store.removeStep(laptop!)
  await untilWaiting(store, 1)
  await holder.query(
    `insert into mailbox.entry
     select account_id, seq + 1, tag, slots, expires_at, sealed from mailbox.entry
      where account_id = $1`,
    [accountId],
  )
  await holder.query(
    'update mailbox.mailbox set head_seq = 2, bytes = bytes * 2 where account_id = $1',
    [accountId],
  )
  await holder.query('commit')
  holder.release()
  expect(await step).toMatchObject({ done: false })
  expect(await slotsOf(accountId)).toEqual([0b01, 0b11])
  await store.removeDevice(laptop!)
  expect(await slotsOf(accountId)).toEqual([0b01, 0b01])
})

test('a device without a cursor opens no session, fetches nothing and is told of no ticks', async () => {
  // Goal: UNLINKED, whatever it asks for; and nothing else of the account is shown.
  const [phone, gone] = await store.account(2)
  await store.removeDevice(gone!)
  const unlinked = { cause: { value: { code: RefusalCode.UNLINKED } } }
  await expect(store.openSession(gone!)).rejects.toMatchObject(unlinked)
  await expect(store.fetch(gone!)).rejects.toMatchObject(unlinked)
  await expect(store.status(gone!, phone!.accountId, [])).rejects.toMatchObject(unlinked)
  expect(await store.heads(gone!, phone!)).toMatchObject([
    { hasCursor: false },
    { hasCursor: true },
  ])
})
