import type { AccountId } from '@twotick/protocol'
import { expect, test } from 'vitest'
import { judgeAck } from './ack.ts'
import { createDraft, createPicture } from './draft.ts'
import type { Row } from './mailbox.ts'
import type { Message } from './notice.ts'

const accountId = '00000000-0000-4000-8000-000000000001' as AccountId
const sender = { accountId: '00000000-0000-4000-8000-000000000002' as AccountId, deviceId: 1 }
const phone = { accountId, deviceId: 1 }

/** A mailbox with entries 1 to 6 for both of its devices, whose cursors are given. */
function draftWith(ackedSeqs: readonly [number, number], slots = 0b11) {
  const picture = createPicture(0)
  const [first, second] = ackedSeqs.map((ackedSeq, index) => ({ deviceId: index + 1, ackedSeq }))
  const cursors = [first, second, undefined, undefined, undefined]
  picture.mailboxes.set(accountId, { accountId, headSeq: 6, floorSeq: 0, bytes: 60, cursors })
  const row = (seq: number): [number, Row] => [seq, { seq, slots, bytes: 10, isNotice: false }]
  picture.rows.set(accountId, new Map([1, 2, 3, 4, 5, 6].map(row)))
  return createDraft(picture)
}

function ackOf(seq: number, failed: number[] = []) {
  return { device: phone, seq, failed: new Set(failed), names: new Map() }
}

test('an ack gives ticks for its own step alone, whatever else was read', () => {
  // Goal: (a, n], though another device's ack in the batch made more rows be read.
  const draft = draftWith([1, 0])
  judgeAck(draft, ackOf(3))
  expect(draft.ticks.map((tick) => tick.seq)).toEqual([2, 3])
  expect(draft.removed).toEqual([])
})

test('failures count inside the step alone, whatever else was read', () => {
  // Goal: what is named below the cursor or beyond the ack changes nothing.
  const draft = draftWith([1, 0])
  const notices = new Map()
  const messages = new Map<number, Message>()
  for (let no = 1; no <= 6; no++) messages.set(no, { sender, no, tag: new Uint8Array(8) })
  judgeAck(draft, ackOf(3, [1, 2, 5]), { messages, notices })
  expect(draft.slotChanges).toEqual([{ accountId, seq: 2, slots: 0b10 }])
  expect(notices.size).toBe(1)
  expect(draft.ticks.map((tick) => tick.seq)).toEqual([3])
})

test('an entry that the device is in no slot of owes it no tick', () => {
  // Goal: delivered goes by slots, not by who acks.
  const draft = draftWith([0, 0], 0b10)
  judgeAck(draft, ackOf(6))
  expect(draft.ticks).toEqual([])
})

test('what every device has is removed, and an empty mailbox has no bytes', () => {
  // Goal: rows up to the least cursor go in the same transaction.
  const draft = draftWith([0, 4])
  judgeAck(draft, ackOf(6))
  expect(draft.removed.map((row) => row.seq)).toEqual([1, 2, 3, 4])
  expect(draft.ticks.map((tick) => tick.seq)).toEqual([5, 6])
  judgeAck(draft, { ...ackOf(6), device: { accountId, deviceId: 2 } })
  expect(draft.removed).toHaveLength(6)
  expect(draft.picture.mailboxes.get(accountId)?.bytes).toBe(0)
})
