import { type AccountId, NoticeKind, RefusalCode } from '@twotick/protocol'
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { findOrphans } from '../src/orphans.ts'
import { codeOf, noticeOf, openSender, textOf } from './envelope.ts'
import { startStore, type TestStore } from './store.ts'

const ENTRIES_MAX = 8
const BYTES_MAX = 20_000

let store: TestStore
beforeAll(async () => {
  store = await startStore({
    environment: {
      TWOTICK_MAILBOX_ENTRIES_MAX: String(ENTRIES_MAX),
      TWOTICK_MAILBOX_BYTES_MAX: String(BYTES_MAX),
    },
  })
})
afterEach(async () => {
  expect(Object.values(await findOrphans(store.db))).toEqual([0, 0, 0, 0, 0, 0])
})
afterAll(() => store.close())

test('a full mailbox refuses the send to it alone, before any tick', async () => {
  // Goal: nothing undelivered is dropped for room; an ack makes room, and the same send and what is
  // behind it go through: the refusal has left nothing, not even the number.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const sends = Array.from({ length: ENTRIES_MAX + 2 }, () => sender.next([bob!.accountId]))
  const codes = (await store.write(sends)).map(codeOf)
  const { MAILBOX_FULL, OUT_OF_ORDER } = RefusalCode
  expect(codes).toEqual([...Array(ENTRIES_MAX).fill(undefined), MAILBOX_FULL, OUT_OF_ORDER])
  expect((await store.fetch(bob!)).headSeq).toBe(ENTRIES_MAX)
  await store.ack(bob!, 2)
  expect((await store.write(sends.slice(-2))).map(codeOf)).toEqual([undefined, undefined])
  expect((await store.fetch(bob!)).headSeq).toBe(ENTRIES_MAX + 2)
})

test('what is delivered makes room first, oldest first, and its laggard sees the hole', async () => {
  // Goal: rows that wait for a slow device alone give way to what nobody has.
  const [alice] = await store.account()
  const [phone, laggard] = await store.account(2)
  const sender = await openSender(store, alice!)
  const next = () => sender.next([phone!.accountId])
  await store.write(Array.from({ length: ENTRIES_MAX }, next))
  await store.ack(phone!, 3)
  const codes = (await store.write([next(), next()])).map(codeOf)
  expect(codes).toEqual([undefined, undefined])
  const { entries, headSeq } = await store.fetch(laggard!)
  expect(entries.map((entry) => entry.seq)).toEqual([3, 4, 5, 6, 7, 8, 9, 10])
  expect(headSeq).toBe(10)
  const [mailbox] = await store.rows(
    'select floor_seq from mailbox.mailbox where account_id = $1',
    [phone!.accountId],
  )
  expect(mailbox).toEqual({ floor_seq: '2' })
  expect((await store.fetch(alice!)).headSeq).toBe(0)
  const more = (await store.write([next(), next()])).map(codeOf)
  expect(more).toEqual([undefined, RefusalCode.MAILBOX_FULL])
})

test('it is counted exactly before anything is refused', async () => {
  // Goal: holes in the middle are room, though head and cursors do not show them.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const next = () => sender.next([bob!.accountId])
  await sender.send([bob!.accountId])
  const short = Array.from({ length: 4 }, () => ({ ...next(), lifetimeS: 60 }))
  await store.write([...short, next(), next(), next()])
  await store.rows(`update mailbox.entry set expires_at = now()
                     where expires_at < now() + interval '2 minutes'`)
  expect(await store.expire()).toMatchObject({ expired: 4 })
  await store.ack(alice!, 4)
  const codes = (await store.write([next(), next(), next(), next(), next()])).map(codeOf)
  expect(codes).toEqual([...Array(4).fill(undefined), RefusalCode.MAILBOX_FULL])
})

test('a mailbox is bounded in bytes too', async () => {
  // Goal: few large messages fill it as many small ones do; its bytes are 0 when it is empty.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const to = [bob!.accountId]
  const large = { ciphertext: Buffer.alloc(9_000) }
  const sends = [sender.next(to, large), sender.next(to, large), sender.next(to, large)]
  const codes = (await store.write(sends)).map(codeOf)
  expect(codes).toEqual([undefined, undefined, RefusalCode.MAILBOX_FULL])
  await store.ack(bob!, 2)
  const [mailbox] = await store.rows('select bytes from mailbox.mailbox where account_id = $1', [
    bob!.accountId,
  ])
  expect(mailbox).toEqual({ bytes: '0' })
})

test('in a group the full are left out, and one closing notice names them', async () => {
  // Goal: a group's send does not fail for a full member; the sender is told in the same breath.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const [carol] = await store.account()
  const [dave] = await store.account()
  const filler = await openSender(store, (await store.account())[0]!)
  for (const full of [bob!, carol!]) {
    await store.write(Array.from({ length: ENTRIES_MAX }, () => filler.next([full.accountId])))
  }
  const sender = await openSender(store, alice!)
  const group = [bob!.accountId, carol!.accountId, dave!.accountId]
  expect((await sender.send(group))?.$case).toBe('stored')
  expect((await store.fetch(dave!)).entries.map(textOf)).toEqual(['message 1'])
  expect((await store.fetch(bob!)).headSeq).toBe(ENTRIES_MAX)
  const notices = (await store.fetch(alice!)).entries.map(noticeOf)
  expect(notices).toHaveLength(1)
  expect(notices[0]).toMatchObject({ kind: NoticeKind.LEFT_OUT, closing: true, no: 1 })
  const named = notices[0]!.recipients.map((recipient) => recipient.accountId)
  expect(named.sort()).toEqual([bob!.accountId, carol!.accountId].sort())
})

test('a send waits until its sender has read what waits there', async () => {
  // Goal: OWN_MAILBOX_FULL; notices are written all the same, and never make room.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const [carol] = await store.account()
  const sender = await openSender(store, alice!)
  await store.write(Array.from({ length: 3 }, () => sender.next([bob!.accountId])))
  const filler = await openSender(store, carol!)
  await store.write(Array.from({ length: ENTRIES_MAX - 1 }, () => filler.next([alice!.accountId])))
  await store.deleteMailbox(bob!.accountId)
  expect((await store.fetch(alice!)).headSeq).toBe(ENTRIES_MAX + 2)
  const send = sender.next([carol!.accountId])
  expect(codeOf(await store.append(send))).toBe(RefusalCode.OWN_MAILBOX_FULL)
  const toAlice = filler.next([alice!.accountId])
  expect(codeOf(await store.append(toAlice))).toBe(RefusalCode.MAILBOX_FULL)
  expect((await store.fetch(alice!)).headSeq).toBe(ENTRIES_MAX + 2)
  await store.ack(alice!, ENTRIES_MAX)
  expect((await store.append(send))?.$case).toBe('stored')
})

test('own copies make room for own copies', async () => {
  // Goal: a device that is away does not stop its siblings from sending.
  const [alice, away] = await store.account(2)
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  for (let count = 0; count < ENTRIES_MAX + 3; count++) {
    expect((await sender.send([bob!.accountId]))?.$case).toBe('stored')
    await store.ack(bob!, count + 1)
  }
  const { entries } = await store.fetch(away!)
  expect(entries.map(textOf)[0]).toBe('message 4')
  expect(entries).toHaveLength(ENTRIES_MAX)
})

test('own copies of one batch make room for each other', async () => {
  // Goal: verdicts are each against what the earlier ones left, room included.
  const [alice, away] = await store.account(2)
  const [bob] = await store.account()
  const [carol] = await store.account()
  const filler = await openSender(store, carol!)
  const waiting = Array.from({ length: ENTRIES_MAX - 1 }, () => filler.next([alice!.accountId]))
  await store.write(waiting)
  const sender = await openSender(store, alice!)
  const sends = Array.from({ length: 3 }, () => sender.next([bob!.accountId]))
  expect((await store.write(sends)).map(codeOf)).toEqual([undefined, undefined, undefined])
  const { entries } = await store.fetch(away!)
  expect(entries).toHaveLength(ENTRIES_MAX)
  expect(entries.at(-1)?.seq).toBe(ENTRIES_MAX + 2)
})

test('a group with full, absent and well members: a notice of each kind, naming its own', async () => {
  // Goal: every recipient account has the message or is named in exactly one closing notice.
  const [alice] = await store.account()
  const [full] = await store.account()
  const [well] = await store.account()
  const absent = randomUUID() as AccountId
  const filler = await openSender(store, (await store.account())[0]!)
  await store.write(Array.from({ length: ENTRIES_MAX }, () => filler.next([full!.accountId])))
  const sender = await openSender(store, alice!)
  expect((await sender.send([full!.accountId, absent, well!.accountId]))?.$case).toBe('stored')
  expect((await store.fetch(well!)).headSeq).toBe(1)
  const notices = (await store.fetch(alice!)).entries.map(noticeOf)
  const named = notices.map((notice) => [
    notice?.kind,
    notice?.closing,
    notice?.recipients.map((recipient) => recipient.accountId),
  ])
  expect(named).toHaveLength(2)
  expect(named).toContainEqual([NoticeKind.LEFT_OUT, true, [full!.accountId]])
  expect(named).toContainEqual([NoticeKind.UNDELIVERABLE, true, [absent]])
})
