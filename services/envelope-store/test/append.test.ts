import { type AccountId, NoticeKind, RefusalCode } from '@twotick/protocol'
import { nextSentTag } from '@twotick/protocol'
import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { findOrphans } from '../src/orphans.ts'
import { codeOf, envelope, noticeOf, openSender, partsFor, textOf } from './envelope.ts'
import { startStore, type TestStore } from './store.ts'

let store: TestStore
beforeAll(async () => {
  store = await startStore()
})
afterEach(async () => {
  expect(Object.values(await findOrphans(store.db))).toEqual([0, 0, 0, 0, 0, 0])
})
afterAll(() => store.close())

const nobody = () => randomUUID() as AccountId

test('a repetition is stored once, whatever its tag', async () => {
  // Goal: the retry of an append whose answer was lost is not stored twice.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const append = sender.next([bob!.accountId])
  const outcomes = await store.write([append, append])
  expect(outcomes.map((outcome) => outcome?.$case)).toEqual(['stored', 'stored'])
  expect((await store.append({ ...append, tag: randomBytes(8) }))?.$case).toBe('stored')
  expect((await store.fetch(bob!)).headSeq).toBe(1)
})

test('a hole in the numbers is refused, in one batch as over several', async () => {
  // Goal: what follows a send that the store has not accepted is OUT_OF_ORDER, stored nowhere.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const lost = sender.next([bob!.accountId])
  const behind = sender.next([bob!.accountId])
  expect(codeOf(await store.append(behind))).toBe(RefusalCode.OUT_OF_ORDER)
  expect((await store.fetch(bob!)).headSeq).toBe(0)
  const outcomes = await store.write([lost, behind, { ...behind, no: 9, prevNo: 8 }])
  expect(outcomes.map(codeOf)).toEqual([undefined, undefined, RefusalCode.OUT_OF_ORDER])
  expect((await store.fetch(bob!)).entries.map(textOf)).toEqual(['message 1', 'message 2'])
})

test('numbers may leave gaps, and their tags are chained in the order accepted', async () => {
  // Goal: prev_no alone decides; sent_no and sent_tag are read by the next session.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const [first, second] = [randomBytes(8), randomBytes(8)]
  const { session } = sender.opened
  const to = [bob!.accountId]
  await store.append(envelope(alice!, { session, no: 5, prevNo: 0, to, tag: first }))
  await store.append(envelope(alice!, { session, no: 9, prevNo: 5, to, tag: second }))
  const opened = await store.openSession(alice!)
  expect(opened).toMatchObject({ session: session + 1, sentNo: 9 })
  const chained = nextSentTag(nextSentTag(new Uint8Array(8), first), second)
  expect(Buffer.from(opened.sentTag)).toEqual(Buffer.from(chained))
})

test('an older session is powerless', async () => {
  // Goal: an append that was stuck while its device reconnected is never stored afterwards.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const older = await openSender(store, alice!)
  const stuck = older.next([bob!.accountId])
  await store.openSession(alice!)
  expect(codeOf(await store.append(stuck))).toBe(RefusalCode.REPLACED)
  expect((await store.fetch(bob!)).headSeq).toBe(0)
})

test('after a refusal what was sent behind it arrives once, in order', async () => {
  // Goal: three pipelined sends behind a rejected one are refused, then sent once more.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const { session } = (await openSender(store, alice!)).opened
  const to = [bob!.accountId]
  const sends = [2, 3, 4].map((no) => envelope(alice!, { session, no, prevNo: no - 1, to }))
  const refused = await store.write(sends)
  expect(refused.map(codeOf)).toEqual(Array(3).fill(RefusalCode.OUT_OF_ORDER))
  await store.write([{ ...sends[0]!, prevNo: 0 }, sends[1]!, sends[2]!])
  const { entries } = await store.fetch(bob!)
  expect(entries.map(textOf)).toEqual(['message 2', 'message 3', 'message 4'])
})

test('an unlinked device and an unknown one cannot send', async () => {
  // Goal: no cursor of the sending device, no send.
  const [alice, second] = await store.account(2)
  const [bob] = await store.account()
  const sender = await openSender(store, second!)
  await store.removeDevice(second!)
  expect(codeOf(await sender.send([bob!.accountId]))).toBe(RefusalCode.UNLINKED)
  const unknown = { accountId: nobody(), deviceId: 1 }
  const send = envelope(unknown, { session: 1, no: 1, prevNo: 0, to: [bob!.accountId] })
  expect(codeOf(await store.append(send))).toBe(RefusalCode.UNLINKED)
  expect((await store.fetch(bob!)).headSeq).toBe(0)
  expect((await store.fetch(alice!)).headSeq).toBe(0)
})

test("the sender's other devices get a copy that owes no tick", async () => {
  // Goal: own copies are slots 0, pushed to every device, and empty for the one that sent.
  const [alice, other] = await store.account(2)
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([bob!.accountId])
  expect(textOf((await store.fetch(other!)).entries[0])).toBe('message 1')
  expect(textOf((await store.fetch(alice!)).entries[0])).toBe('')
  const before = store.heard.ticks.length
  await store.ack(other!, 1)
  await store.ack(alice!, 1)
  expect(store.heard.ticks).toHaveLength(before)
  const rows = await store.rows('select from mailbox.entry where account_id = $1', [
    alice!.accountId,
  ])
  expect(rows).toHaveLength(0)
})

test('of an envelope with parts each device gets its own', async () => {
  // Goal: parts go to their account alone; a device without a part gets an empty entry.
  const [alice] = await store.account()
  const [first, second, third] = await store.account(3)
  const sender = await openSender(store, alice!)
  const parts = partsFor(first!, second!)
  await sender.send([first!.accountId], { ciphertext: new Uint8Array(), parts })
  for (const [device, expected] of [
    [first, ['for 1']],
    [second, ['for 2']],
    [third, []],
  ] as const) {
    const [entry] = (await store.fetch(device!)).entries
    const envelope = entry!.content?.$case === 'envelope' ? entry!.content.value : undefined
    expect(envelope?.parts.map((part) => Buffer.from(part.ciphertext).toString())).toEqual(expected)
  }
  const [row] = await store.rows('select slots from mailbox.entry where account_id = $1', [
    first!.accountId,
  ])
  expect(row).toEqual({ slots: 0b011 })
})

test('recipients without a cursor are named in one closing notice', async () => {
  // Goal: where none of the devices it is for has a cursor, a notice instead of an entry.
  const [alice] = await store.account()
  const [bob, gone] = await store.account(2)
  await store.removeDevice(gone!)
  const sender = await openSender(store, alice!)
  const absent = nobody()
  const parts = partsFor(gone!)
  const outcome = await sender.send([absent, bob!.accountId], { parts })
  expect(outcome?.$case).toBe('stored')
  expect((await store.fetch(bob!)).headSeq).toBe(0)
  const { entries } = await store.fetch(alice!)
  expect(entries).toHaveLength(1)
  const notice = noticeOf(entries[0])
  expect(notice).toMatchObject({
    kind: NoticeKind.UNDELIVERABLE,
    closing: true,
    no: 1,
    deviceId: 1,
  })
  expect(new Set(notice?.recipients.map((recipient) => recipient.accountId))).toEqual(
    new Set([absent, bob!.accountId]),
  )
})

test('what is the same for several is sealed once, and each opens its own', async () => {
  // Goal: one body for all, a binding for each; who alone has a part has an entry of its own.
  const [alice] = await store.account()
  const members = (await Promise.all([1, 2, 3, 4].map(() => store.account()))).flat()
  const [bob, ...others] = members
  const sender = await openSender(store, alice!)
  const to = members.map(({ accountId }) => accountId)
  expect((await sender.send(to))?.$case).toBe('stored')
  const parts = partsFor(bob!)
  expect(
    (await sender.send(to, { parts: [...parts, ...others.flatMap((one) => partsFor(one))] }))
      ?.$case,
  ).toBe('stored')
  const sealed = await store.rows<{ seq: string; sealed: Buffer }>(
    'select seq, sealed from mailbox.entry where account_id = any($1::uuid[])',
    [to],
  )
  const bodiesOf = (seq: string) => {
    const rows = sealed.filter((row) => row.seq === seq).map((row) => row.sealed)
    return {
      rows: rows.length,
      bodies: new Set(rows.map((row) => row.toString('hex', 0, row.length - 16))).size,
    }
  }
  expect(bodiesOf('1')).toEqual({ rows: 4, bodies: 1 })
  expect(bodiesOf('2')).toEqual({ rows: 4, bodies: 4 })
  expect(new Set(sealed.map((row) => row.sealed.toString('hex'))).size).toBe(8)
  for (const member of members) {
    const { entries } = await store.fetch(member)
    expect(entries.map(textOf)[0]).toBe('message 1')
    expect(entries.length).toBe(2)
  }
})

test('a recipient listed twice is a bug of the caller, the own account among them none', async () => {
  // Goal: one entry for each account, however it is asked for.
  const [alice, other] = await store.account(2)
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const send = sender.next([bob!.accountId])
  const twice = { ...send, recipientAccountIds: [bob!.accountId, bob!.accountId] }
  expect(codeOf(await store.append(twice))).toBe(RefusalCode.MALFORMED)
  const withOwn = { ...send, recipientAccountIds: [alice!.accountId, bob!.accountId] }
  expect((await store.append(withOwn))?.$case).toBe('stored')
  expect((await store.fetch(bob!)).headSeq).toBe(1)
  expect((await store.fetch(other!)).entries.map(textOf)).toEqual(['message 1'])
  expect(
    await store.rows('select slots from mailbox.entry where account_id = $1', [alice!.accountId]),
  ).toEqual([{ slots: 0 }])
})

test('another epoch is refused, and nothing is written', async () => {
  // Goal: a request of an older history changes nothing here.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const stream = store.client.write({ deadline: Date.now() + 5_000 })
  const reply = new Promise<{ epoch: string; code: number | undefined }>((resolve, reject) => {
    stream.on('data', ({ epoch, verdicts }) =>
      resolve({ epoch, code: codeOf(verdicts[0]?.outcome) }),
    )
    stream.on('error', reject)
  })
  const append = { ...sender.next([bob!.accountId]), id: 1 }
  stream.end({ epoch: '0123456789abcdef', appends: [append], acks: [] })
  expect(await reply).toEqual({ epoch: store.epoch, code: RefusalCode.EPOCH_CHANGED })
  expect((await store.fetch(bob!)).headSeq).toBe(0)
})
