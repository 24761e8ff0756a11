// The rules on a store of one Map, through random histories of everything that may happen to a
// mailbox. Whatever the order, the books are closed: a message accepted for an account waits, or was
// delivered with one tick, or was closed by one notice; and nothing stays that nobody waits for.

import {
  type AccountId,
  addressKey,
  type DeviceAddress,
  type Notice,
  NoticeKind,
} from '@twotick/protocol'
import type { SealedContent } from '@twotick/protocol/services'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { test } from 'vitest'
import { judgeAck } from './ack.ts'
import { judgeAppend } from './append.ts'
import { createDraft, createPicture, type Draft } from './draft.ts'
import { dropCursor, removeEntry, takeSlot } from './leave.ts'
import { bitOf, isDelivered, minAckedSeq, type Row, slotOf, slotsOf } from './mailbox.ts'
import { type Message, type Notices, writeNotices } from './notice.ts'
import { messageOf } from './stored-entry.ts'

const ACCOUNTS = ['a', 'b', 'c'].map(
  (letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000` as AccountId,
)
const QUOTA = { entriesMax: 6, bytesMax: 1_000_000 }
const seal = () => new Uint8Array(10)

/** A store whose transactions are function calls. */
function createModel() {
  const picture = createPicture(0)
  const contents = new Map<string, SealedContent>()
  const accepted = new Map<string, 'waiting' | 'delivered' | 'closed'>()
  let nextDeviceId = 1

  function link(accountId: AccountId): void {
    const mailbox = picture.mailboxes.get(accountId)
    const slot = mailbox?.cursors.indexOf(undefined) ?? -1
    if (mailbox === undefined || slot === -1) return
    const address = { accountId, deviceId: nextDeviceId++ }
    mailbox.cursors[slot] = { deviceId: address.deviceId, ackedSeq: mailbox.headSeq }
    const sentTag = new Uint8Array(8)
    picture.senders.set(addressKey(address), { address, session: 1, sentNo: 0, sentTag })
  }
  for (const accountId of ACCOUNTS) {
    picture.mailboxes.set(accountId, {
      accountId,
      headSeq: 0,
      floorSeq: 0,
      bytes: 0,
      cursors: Array.from({ length: 5 }, () => undefined),
    })
    picture.rows.set(accountId, new Map())
    link(accountId)
  }

  const keyOf = ({ sender, no }: Message, to: AccountId) => `${addressKey(sender)} ${no} ${to}`
  function settle(key: string, as: 'delivered' | 'closed'): void {
    assert.equal(accepted.get(key), 'waiting', `${key} is settled once`)
    accepted.set(key, as)
  }
  function commit(draft: Draft): void {
    for (const entry of draft.appended) {
      const row = { seq: entry.seq, slots: entry.slots, bytes: 10, isNotice: false }
      const isNotice = entry.expiresAtMs === undefined
      picture.rows.get(entry.accountId)?.set(entry.seq, { ...row, isNotice })
      contents.set(`${entry.accountId} ${entry.seq}`, entry.content)
      if (isNotice) close(entry.accountId, entry.content)
    }
    for (const { recipientAccountId, name } of draft.ticks) {
      settle(keyOf({ ...name!, tag: seal() }, recipientAccountId), 'delivered')
    }
  }
  function close(accountId: AccountId, { content }: SealedContent): void {
    const notice = content?.value as Notice
    const sender = { accountId, deviceId: notice.deviceId }
    if (!notice.closing) return
    for (const recipient of notice.recipients) {
      settle(
        keyOf({ sender, no: notice.no, tag: seal() }, recipient.accountId as AccountId),
        'closed',
      )
    }
  }
  const messages = {
    get: (accountId: AccountId, seq: number) =>
      messageOf(new Uint8Array(8), contents.get(`${accountId} ${seq}`)!),
    has: () => true,
    senderAccountIds: new Set<AccountId>(),
  }
  return { picture, accepted, contents, link, keyOf, commit, messages }
}

type Model = ReturnType<typeof createModel>

/** The device in the nth of the taken slots; undefined if there is none. */
function deviceAt({ picture }: Model, accountId: AccountId, nth: number) {
  const cursors = picture.mailboxes.get(accountId)!.cursors.filter((cursor) => cursor !== undefined)
  const cursor = cursors[nth % Math.max(cursors.length, 1)]
  return cursor && { accountId, deviceId: cursor.deviceId }
}

function countRooms({ picture }: Model): void {
  for (const [accountId, rows] of picture.rows) {
    const mailbox = picture.mailboxes.get(accountId)!
    const isLeaving = (row: Row) => !row.isNotice && isDelivered(mailbox, row)
    const delivered = [...rows.values()].filter(isLeaving)
    picture.rooms.set(accountId, { entries: rows.size, bytes: rows.size * 10, delivered })
  }
}

function send(
  model: Model,
  { from, nth, to }: { from: AccountId; nth: number; to: AccountId[] },
): void {
  const device = deviceAt(model, from, nth)
  if (device === undefined) return
  const sender = model.picture.senders.get(addressKey(device))!
  const no = sender.sentNo + 1
  const tag = new Uint8Array(8)
  const value = { sender: device, no, to: undefined, type: 1 as const, parts: [] }
  const envelope = { ...value, ciphertext: tag }
  const content: SealedContent = {
    content: { $case: 'envelope', value: envelope },
    lifetimeS: 1,
    noticedAtMs: 0,
  }
  const recipients = to.filter((accountId) => accountId !== from)
  const copy = { tag, content, sealed: seal(), deviceIds: undefined }
  const copies = recipients.map((accountId) => ({ accountId, ...copy }))
  countRooms(model)
  const draft = createDraft(model.picture)
  const own = { ownContent: content, ownBytesMax: 10 }
  const named = { sender: device, session: 1, no, prevNo: no - 1, tag, lifetimeS: 1, copies }
  const outcome = judgeAppend(draft, { ...named, ...own }, { quota: QUOTA, seal })
  model.picture.rooms.clear()
  if (outcome.$case === 'refusal') {
    const { appended, removed, changedSenders } = draft
    assert.equal(appended.length + removed.length + changedSenders.size, 0)
    return
  }
  for (const accountId of recipients) {
    model.accepted.set(model.keyOf({ sender: device, no, tag }, accountId), 'waiting')
  }
  model.commit(draft)
}

function ack(
  model: Model,
  { of, nth, ahead, failed }: { of: AccountId; nth: number; ahead: number; failed: number },
): void {
  const device = deviceAt(model, of, nth)
  if (device === undefined) return
  const mailbox = model.picture.mailboxes.get(of)!
  const { ackedSeq } = mailbox.cursors[slotOf(mailbox, device.deviceId)]!
  const seq = Math.min(ackedSeq + ahead, mailbox.headSeq)
  const draft = createDraft(model.picture)
  const notices: Notices = new Map()
  const names = new Map<number, { sender: DeviceAddress; no: number }>()
  const messages = new Map<number, Message>()
  for (let at = ackedSeq + 1; at <= seq; at++) {
    const message = model.messages.get(of, at)
    if (message === undefined) continue
    names.set(at, message)
    messages.set(at, message)
  }
  const cumulative = { device, seq, failed: new Set([ackedSeq + failed]), names }
  judgeAck(draft, cumulative, { messages, notices })
  writeNotices(draft, notices, seal)
  model.commit(draft)
}

function expire(model: Model, { of, nth }: { of: AccountId; nth: number }): void {
  const rows = [...model.picture.rows.get(of)!.values()].filter((row) => !row.isNotice)
  const row = rows[nth]
  if (row === undefined) return
  const draft = createDraft(model.picture)
  const leaving = { draft, notices: new Map(), messages: model.messages }
  removeEntry(leaving, model.picture.mailboxes.get(of)!, row, NoticeKind.EXPIRED)
  writeNotices(draft, leaving.notices, seal)
  model.commit(draft)
}

function unlink(model: Model, { of, nth }: { of: AccountId; nth: number }): void {
  const device = deviceAt(model, of, nth)
  const mailbox = model.picture.mailboxes.get(of)!
  // Senders with a mailbox stay, so that every notice has where to go.
  if (device === undefined || mailbox.cursors.filter(Boolean).length === 1) return
  const slot = slotOf(mailbox, device.deviceId)
  const draft = createDraft(model.picture)
  const leaving = { draft, notices: new Map(), messages: model.messages }
  takeSlot(leaving, mailbox, slot)
  writeNotices(draft, leaving.notices, seal)
  model.commit(draft)
  for (const row of model.picture.rows.get(of)!.values()) assert.equal(row.slots & bitOf(slot), 0)
  dropCursor(createDraft(model.picture), mailbox, slot)
}

function checkBooks({ picture, accepted, keyOf, messages }: Model): void {
  const waiting = new Set<string>()
  for (const mailbox of picture.mailboxes.values()) {
    const rows = [...picture.rows.get(mailbox.accountId)!.values()]
    assert.equal(mailbox.bytes, rows.length * 10)
    for (const row of rows) {
      assert(row.seq > minAckedSeq(mailbox))
      assert.equal(row.slots & ~slotsOf(mailbox), 0)
      const message = messages.get(mailbox.accountId, row.seq)
      if (!isDelivered(mailbox, row)) waiting.add(keyOf(message!, mailbox.accountId))
    }
  }
  const open = [...accepted].filter(([, state]) => state === 'waiting').map(([key]) => key)
  assert.deepEqual(new Set(open), waiting)
}

const anyAccount = fc.constantFrom(...ACCOUNTS)
const anyNth = fc.nat({ max: 4 })
const device = { of: anyAccount, nth: anyNth }
const ackOf = { ...device, ahead: fc.nat({ max: 4 }), failed: fc.nat({ max: 3 }) }
const sendTo = { from: anyAccount, nth: anyNth, to: fc.subarray(ACCOUNTS, { minLength: 1 }) }
const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ send: fc.record(sendTo) }) },
  { weight: 4, arbitrary: fc.record({ ack: fc.record(ackOf) }) },
  { weight: 1, arbitrary: fc.record({ expire: fc.record(device) }) },
  { weight: 1, arbitrary: fc.record({ unlink: fc.record(device) }) },
  { weight: 1, arbitrary: fc.record({ link: anyAccount }) },
)

test('whatever happens, in whatever order, the books are closed', () => {
  // Goal: accepted = delivered + noticed + waiting after every step of random histories.
  const history = fc.array(anyStep, { minLength: 5, maxLength: 60, size: 'max' })
  fc.assert(
    fc.property(history, (steps) => {
      const model = createModel()
      for (const step of steps) {
        if ('send' in step) send(model, step.send)
        else if ('ack' in step) ack(model, step.ack)
        else if ('expire' in step) expire(model, step.expire)
        else if ('unlink' in step) unlink(model, step.unlink)
        else model.link(step.link)
        checkBooks(model)
      }
    }),
    { numRuns: 300 },
  )
})
