// What the locks and the snapshots are for: each test holds a lock of its own, so that two things
// that may meet do meet, in the order that would hurt.

import { type DeviceAddress, RefusalCode } from '@twotick/protocol'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { findOrphans } from '../src/orphans.ts'
import { codeOf, openSender, textOf } from './envelope.ts'
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

/** Runs statements in a transaction that stays open, with what they lock. */
async function hold(...statements: string[]) {
  const client = await store.db.connect()
  for (const statement of ['begin', ...statements]) await client.query(statement)
  return {
    run: (statement: string) => client.query(statement),
    async release() {
      await client.query('commit')
      client.release()
    },
  }
}

const lockMailbox = ({ accountId }: DeviceAddress) =>
  `select from mailbox.mailbox where account_id = '${accountId}' for update`

test('a session that opens while an append commits knows of that append', async () => {
  // Goal: sent_no is read under the lock that makes every older append powerless, not before it.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const older = await openSender(store, alice!)
  const holder = await hold(
    `update mailbox.sender set sent_no = 1 where account_id = '${alice!.accountId}'`,
  )
  const opening = store.openSession(alice!)
  await untilWaiting(store, 1)
  await holder.release()
  expect(await opening).toMatchObject({ session: older.opened.session + 1, sentNo: 1 })
  expect(codeOf(await older.send([bob!.accountId]))).toBe(RefusalCode.REPLACED)
})

test('an append that waits while its device opens a session is REPLACED', async () => {
  // Goal: the session is compared under the locks; what was stuck is never stored afterwards.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const holder = await hold(lockMailbox(bob!))
  const stuck = sender.send([bob!.accountId])
  await untilWaiting(store, 1)
  const { sentNo } = await store.openSession(alice!)
  await holder.release()
  expect(sentNo).toBe(0)
  expect(codeOf(await stuck)).toBe(RefusalCode.REPLACED)
  expect((await store.fetch(bob!)).headSeq).toBe(0)
})

test('a row that moved while its lock was waited for is written where it is then', async () => {
  // Goal: the place that a lock shows is that of the newest version, which the lock is on.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const of = ({ accountId }: DeviceAddress) => `where account_id = '${accountId}'`
  const moved = await hold(
    `update mailbox.mailbox set bytes = bytes ${of(bob!)}`,
    `update mailbox.sender set sent_no = sent_no ${of(alice!)}`,
  )
  const sending = sender.send([bob!.accountId])
  await untilWaiting(store, 1)
  await moved.release()
  expect((await sending)?.$case).toBe('stored')
  expect((await sender.send([bob!.accountId]))?.$case).toBe('stored')
  expect((await store.fetch(bob!)).headSeq).toBe(2)

  const movedAgain = await hold(
    `update mailbox.mailbox set bytes = bytes ${of(bob!)}`,
    `update mailbox.entry set slots = slots ${of(bob!)}`,
  )
  const acking = store.ack(bob!, 2)
  await untilWaiting(store, 1)
  await movedAgain.release()
  await acking
  expect(await store.rows(`select from mailbox.entry ${of(bob!)}`)).toEqual([])
  expect(await store.fetch(bob!)).toMatchObject({ headSeq: 2, ackedSeq: 2 })
})

test('an opening that comes late takes no later session its place', async () => {
  // Goal: what a gateway has given up may be carried out at any time, and then changes nothing.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const live = await openSender(store, alice!)
  const late = store.openSession(alice!, live.opened.session - 1)
  await expect(late).rejects.toMatchObject({
    cause: { $case: 'newestSession', value: live.opened.session },
  })
  expect((await live.send([bob!.accountId]))?.$case).toBe('stored')
})

test('an opening that names no session is of an older gateway, and takes place', async () => {
  // Goal: gateways of N and stores of N+1 serve together, in an upgrade and on the way back.
  const [alice] = await store.account()
  await store.openSession(alice!)
  const { outcome } = await store.openAsBefore(alice!)
  expect(outcome).toMatchObject({ $case: 'opened', value: { session: 2 } })
  expect((await store.openSession(alice!)).session).toBe(3)
})

test('of openings that meet, one takes place and the others are told of it', async () => {
  // Goal: the number is compared under the row's lock, not before it.
  const [alice] = await store.account()
  const holder = await hold(
    `select from mailbox.sender where account_id = '${alice!.accountId}' for update`,
  )
  const openings = Promise.allSettled([1, 2, 3].map(() => store.openSession(alice!, 0)))
  await untilWaiting(store, 3)
  await holder.release()
  const opened = (await openings).filter(({ status }) => status === 'fulfilled')
  expect(opened).toHaveLength(1)
  expect((await store.openSession(alice!)).session).toBe(2)
})

test('rows, head and cursor are of one snapshot', async () => {
  // Goal: what is appended while a device fetches is never taken for something that it missed.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([bob!.accountId])
  const holder = await hold('lock table mailbox.mailbox in access exclusive mode')
  const fetching = store.fetch(bob!)
  await untilWaiting(store, 1)
  await holder.run(
    `insert into mailbox.entry
     select account_id, 2, tag, slots, expires_at, sealed from mailbox.entry
      where account_id = '${bob!.accountId}'`,
  )
  await holder.run(
    `update mailbox.mailbox set head_seq = 2, bytes = bytes * 2
      where account_id = '${bob!.accountId}'`,
  )
  await holder.release()
  const { entries, headSeq, isComplete } = await fetching
  expect(isComplete).toBe(true)
  expect(entries.map((entry) => entry.seq)).toEqual(
    Array.from({ length: headSeq }, (_, index) => index + 1),
  )
})

for (const [what, remove] of [
  ['expiry', async () => void (await store.expire())],
  ['an unlink', async (device: DeviceAddress) => void (await store.removeDevice(device))],
] as const) {
  test(`${what} that meets an ack reads again under the locks`, async () => {
    // Goal: what was found without locks and is gone by now leaves neither twice nor with a notice.
    const [alice] = await store.account()
    const [phone, laptop] = await store.account(2)
    const sender = await openSender(store, alice!)
    await sender.send([phone!.accountId])
    await sender.send([phone!.accountId])
    await store.rows(
      `update mailbox.entry set expires_at = now()
        where account_id = $1 and seq = 1 and expires_at <> 'infinity'`,
      [phone!.accountId],
    )
    const holder = await hold(lockMailbox(phone!))
    const acks = [phone!, laptop!].map((device) => ({ device, seq: 1, failed: [], names: [] }))
    const acking = store.write([], acks)
    await untilWaiting(store, 1)
    const removing = remove(laptop!)
    await untilWaiting(store, 2)
    await holder.release()
    expect((await acking).map((outcome) => outcome?.$case)).toEqual(['acked', 'acked'])
    await removing
    expect((await store.fetch(alice!)).headSeq).toBe(0)
    expect((await store.fetch(phone!)).entries.map(textOf)).toEqual(['message 2'])
  })
}

test('a lock that is not had in time is told as what it is', async () => {
  // Goal: not as a bug, although the statements behind the one that waited fail as well.
  const [alice] = await store.account()
  const holder = await hold(lockMailbox(alice!))
  const adding = store.addDevice({ ...alice!, deviceId: 2 })
  await expect(adding.finally(holder.release)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
})
