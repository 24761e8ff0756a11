import { NoticeKind, StatusState } from '@twotick/protocol'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { findOrphans } from '../src/orphans.ts'
import { noticeOf, openSender, textOf } from './envelope.ts'
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

/** Everything that was sent with a lifetime of a minute is over. */
const aMinuteLater = () =>
  store.rows(`update mailbox.entry set expires_at = now()
               where expires_at < now() + interval '1 minute'`)

test('what nobody fetched leaves one notice, what somebody has leaves none', async () => {
  // Goal: exactly one EXPIRED notice if nobody had it, none for a laggard's sake; the hole is shown.
  const [alice] = await store.account()
  const [phone, laptop] = await store.account(2)
  const sender = await openSender(store, alice!)
  const to = [phone!.accountId]
  const short = { lifetimeS: 60 }
  for (const rest of [short, short, {}]) await sender.send(to, rest)
  await store.ack(phone!, 1)
  await aMinuteLater()
  expect(await store.expire()).toMatchObject({ expired: 2, noticed: 1 })
  const { entries } = await store.fetch(alice!)
  expect(entries.map(noticeOf)).toEqual([
    {
      kind: NoticeKind.EXPIRED,
      deviceId: 1,
      no: 2,
      closing: true,
      recipients: [{ accountId: phone!.accountId, deviceIds: [] }],
    },
  ])
  const fetched = await store.fetch(laptop!)
  expect(fetched.entries.map((entry) => entry.seq)).toEqual([3])
  expect(fetched).toMatchObject({ headSeq: 3, ackedSeq: 0, isComplete: true })
  expect(await store.expire()).toMatchObject({ expired: 0, noticed: 0 })
})

test('a trailing hole is seen by the head alone', async () => {
  // Goal: missed is not stored, and still every device can be told of it.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([bob!.accountId])
  await sender.send([bob!.accountId], { lifetimeS: 60 })
  await aMinuteLater()
  await store.expire()
  const fetched = await store.fetch(bob!)
  expect(fetched.entries.map(textOf)).toEqual(['message 1'])
  expect(fetched).toMatchObject({ headSeq: 2, isComplete: true })
  expect(await store.ack(bob!, 2)).toMatchObject({ value: { ackedSeq: 2 } })
})

test('notices never expire, own copies do without one', async () => {
  // Goal: only what is owed to somebody else leaves a notice.
  const [alice, other] = await store.account(2)
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([bob!.accountId], { lifetimeS: 60 })
  await aMinuteLater()
  expect(await store.expire()).toMatchObject({ expired: 2, noticed: 1 })
  await aMinuteLater()
  expect(await store.expire()).toMatchObject({ expired: 0 })
  expect((await store.fetch(other!)).entries.map((entry) => noticeOf(entry)?.no)).toEqual([1])
})

test('one message expiring in many mailboxes leaves notices that name them all', async () => {
  // Goal: bounded steps in account order cover every mailbox once, whatever the step.
  const [alice] = await store.account()
  const members = await Promise.all(Array.from({ length: 12 }, () => store.account()))
  const accountIds = members.map(([device]) => device!.accountId)
  const sender = await openSender(store, alice!)
  for (let count = 0; count < 3; count++) await sender.send(accountIds, { lifetimeS: 60 })
  await aMinuteLater()
  const { expired, steps } = await store.expire({ mailboxesMax: 5, entriesMax: 7 })
  expect(expired).toBe(36)
  expect(steps).toBeGreaterThan(3)
  const notices = (await store.fetch(alice!)).entries.map(noticeOf)
  for (const no of [1, 2, 3]) {
    const named = notices
      .filter((notice) => notice?.no === no)
      .flatMap((notice) => notice!.recipients.map((recipient) => recipient.accountId))
    expect(named.sort()).toEqual([...accountIds].sort())
  }
})

test('status: waiting, delivered, unknown, and delivered only to whoever has read the notices', async () => {
  // Goal: gone means delivered because every other way out has left a notice below the answer's head.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const to = [bob!.accountId]
  const [first, second, third] = [
    sender.next(to),
    sender.next(to),
    sender.next(to, { lifetimeS: 60 }),
  ]
  await store.write([first, second, third])
  await store.ack(bob!, 1)
  await aMinuteLater()
  await store.expire()
  const never = { no: 4, tag: Buffer.alloc(8) }
  const { states, askerHeadSeq } = await store.status(alice!, bob!.accountId, [
    ...[first, second, third, never],
  ])
  const { DELIVERED, WAITING, UNKNOWN } = StatusState
  expect(states).toEqual([DELIVERED, WAITING, DELIVERED, UNKNOWN])
  expect(askerHeadSeq).toBe(1)
  expect(noticeOf((await store.fetch(alice!)).entries[0])?.no).toBe(3)
})

test("the rows are read first, the asker's head second", async () => {
  // Goal: a notice written between the two reads lies at or below the head of the answer.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const send = sender.next([bob!.accountId])
  await store.append(send)
  const holder = await store.db.connect()
  await holder.query('begin; lock table mailbox.entry in access exclusive mode')
  const answer = store.status(alice!, bob!.accountId, [send])
  // It waits for the rows now, with whatever it has read before them.
  await untilWaiting(store, 1)
  await holder.query(`delete from mailbox.entry where account_id = '${bob!.accountId}'`)
  await holder.query(
    `update mailbox.mailbox set bytes = 0, floor_seq = 1 where account_id = '${bob!.accountId}'`,
  )
  await holder.query(
    `update mailbox.mailbox set head_seq = 1 where account_id = '${alice!.accountId}'`,
  )
  await holder.query('commit')
  holder.release()
  const { states, askerHeadSeq } = await answer
  expect(states).toEqual([StatusState.DELIVERED])
  expect(askerHeadSeq).toBe(1)
})
