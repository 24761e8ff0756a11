import { NoticeKind, RefusalCode } from '@twotick/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { waitFor } from '../../../test/wait.ts'
import { findOrphans } from '../src/orphans.ts'
import { codeOf, noticeOf, openSender, partsFor } from './envelope.ts'
import { startStore, type TestStore } from './store.ts'

let store: TestStore
beforeAll(async () => {
  store = await startStore()
})
beforeEach(() => {
  store.heard.ticks.length = 0
})
afterEach(async () => {
  expect(Object.values(await findOrphans(store.db))).toEqual([0, 0, 0, 0, 0, 0])
})
afterAll(() => store.close())

/** The ticks heard, once a tick of a message sent after everything else has been. */
async function ticksUntilNow() {
  const [from] = await store.account()
  const [to] = await store.account()
  await (await openSender(store, from!)).send([to!.accountId])
  await store.ack(to!, 1)
  const isLast = (tick: (typeof store.heard.ticks)[number]) =>
    tick.recipientAccountId === to!.accountId
  await waitFor(() => store.heard.ticks.some(isLast))
  return store.heard.ticks.filter((tick) => !isLast(tick))
}

test('a cumulative ack gives the ticks of what no other device had', async () => {
  // Goal: the first device gives the tick, the second none, also where they overlap.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  for (let count = 0; count < 6; count++) await sender.send([phone!.accountId])
  await store.ack(phone!, 2)
  await store.ack(laptop!, 5)
  await store.ack(phone!, 6)
  const nos = (await ticksUntilNow()).map((tick) => tick.nos)
  expect(nos).toEqual([[{ first: 1, last: 2 }], [{ first: 3, last: 5 }], [{ first: 6, last: 6 }]])
})

test('the ranges of ticks hold only what was delivered', async () => {
  // Goal: a number between two delivered ones, sent to somebody else, is in no range.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const [carol] = await store.account()
  const sender = await openSender(store, alice!)
  for (const to of [bob!, carol!, bob!]) await sender.send([to.accountId])
  await store.ack(bob!, 2)
  expect((await ticksUntilNow()).map((tick) => tick.nos)).toEqual([
    [
      { first: 1, last: 1 },
      { first: 3, last: 3 },
    ],
  ])
})

test('a name spares opening the entry, and gives nothing that is not owed', async () => {
  // Goal: the row must be there and owe; a name of a row that is not there makes no tick.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  await sender.send([phone!.accountId])
  await sender.send([phone!.accountId])
  await store.ack(laptop!, 1)
  await ticksUntilNow()
  store.heard.ticks.length = 0
  const names = [1, 2, 3].map((seq) => ({ seq, sender: alice, no: seq }))
  await store.ack(phone!, 2, { names })
  expect((await ticksUntilNow()).map((tick) => tick.nos)).toEqual([[{ first: 2, last: 2 }]])
})

test('a device linked later says nothing about what came before it', async () => {
  // Goal: no second tick from the acks of a device that the message was not for.
  const [alice] = await store.account()
  const [phone] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([phone!.accountId])
  const linked = { ...phone!, deviceId: 2 }
  await store.addDevice(linked)
  await sender.send([phone!.accountId])
  await store.ack(linked, 2)
  expect((await ticksUntilNow()).map((tick) => tick.nos)).toEqual([[{ first: 2, last: 2 }]])
  await store.ack(phone!, 2)
  expect((await ticksUntilNow()).map((tick) => tick.nos)).toContainEqual([{ first: 1, last: 1 }])
})

test('a device without a part, or with an empty one, gives no tick', async () => {
  // Goal: acks count only of the devices that the message is for.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  const empty = { address: laptop, ciphertext: new Uint8Array() }
  await sender.send([phone!.accountId], { parts: [...partsFor(phone!), empty] })
  await store.ack(laptop!, 1)
  expect(await ticksUntilNow()).toEqual([])
  store.heard.ticks.length = 0
  await store.ack(phone!, 1)
  expect((await ticksUntilNow()).map((tick) => tick.nos)).toEqual([[{ first: 1, last: 1 }]])
})

test('an ack beyond the head is refused, one behind the cursor changes nothing', async () => {
  // Goal: a cursor never passes the head and never goes back.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([bob!.accountId])
  await sender.send([bob!.accountId])
  expect(codeOf(await store.ack(bob!, 3))).toBe(RefusalCode.ACK_BEYOND_PUSHED)
  expect(await store.ack(bob!, 2)).toEqual({ $case: 'acked', value: { ackedSeq: 2 } })
  expect(await store.ack(bob!, 1)).toEqual({ $case: 'acked', value: { ackedSeq: 2 } })
})

test('an ack without a cursor is UNLINKED, and revives nothing', async () => {
  // Goal: a late ack of an unlinked device does not take its slot again.
  const [phone, gone] = await store.account(2)
  const [alice] = await store.account()
  await (await openSender(store, alice!)).send([phone!.accountId])
  await store.removeDevice(gone!)
  expect(codeOf(await store.ack(gone!, 1))).toBe(RefusalCode.UNLINKED)
  const [mailbox] = await store.rows('select d2, a2 from mailbox.mailbox where account_id = $1', [
    phone!.accountId,
  ])
  expect(mailbox).toEqual({ d2: null, a2: null })
})

test('what a device fails has no tick, and a notice that names the device', async () => {
  // Goal: the device's bit leaves slots; another device may still deliver, and then ticks.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  for (let count = 0; count < 3; count++) await sender.send([phone!.accountId])
  await store.ack(phone!, 3, { failed: [2] })
  expect((await ticksUntilNow()).map((tick) => tick.nos)).toEqual([
    [
      { first: 1, last: 1 },
      { first: 3, last: 3 },
    ],
  ])
  const [entry] = (await store.fetch(alice!)).entries
  expect(noticeOf(entry)).toEqual({
    kind: NoticeKind.UNPROCESSABLE,
    deviceId: alice!.deviceId,
    no: 2,
    closing: false,
    recipients: [{ accountId: phone!.accountId, deviceIds: [phone!.deviceId] }],
  })
  store.heard.ticks.length = 0
  await store.ack(laptop!, 3)
  expect((await ticksUntilNow()).map((tick) => tick.nos)).toEqual([[{ first: 2, last: 2 }]])
})

test('the failure of the last device closes the message', async () => {
  // Goal: nobody is left who has it or could: the notice says so, and the row goes.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  await sender.send([phone!.accountId])
  await store.ack(phone!, 1, { failed: [1] })
  await store.ack(laptop!, 1, { failed: [1] })
  const { entries } = await store.fetch(alice!)
  expect(entries.map((entry) => noticeOf(entry)?.closing)).toEqual([false, true])
  expect(await ticksUntilNow()).toEqual([])
  expect((await store.fetch(phone!)).entries).toEqual([])
})

test('what another device has had is not closed by a failure', async () => {
  // Goal: delivered stays delivered.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  await (await openSender(store, alice!)).send([phone!.accountId])
  await store.ack(phone!, 1)
  await store.ack(laptop!, 1, { failed: [1] })
  const { entries } = await store.fetch(alice!)
  expect(entries.map((entry) => noticeOf(entry)?.closing)).toEqual([false])
})

test('failures count once, inside the step of the cursor', async () => {
  // Goal: named again in every ack, an entry leaves one notice; below the cursor it leaves none.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  for (let count = 0; count < 3; count++) await sender.send([phone!.accountId])
  await store.ack(phone!, 1)
  await store.ack(phone!, 2, { failed: [1, 2, 3] })
  await store.ack(phone!, 3, { failed: [1, 2] })
  const { entries } = await store.fetch(alice!)
  expect(entries.map((entry) => noticeOf(entry)?.no)).toEqual([2])
  const rows = await store.rows(
    'select seq, slots from mailbox.entry where account_id = $1 order by seq',
    [laptop!.accountId],
  )
  expect(rows).toEqual([
    { seq: '1', slots: 3 },
    { seq: '2', slots: 2 },
    { seq: '3', slots: 3 },
  ])
})
