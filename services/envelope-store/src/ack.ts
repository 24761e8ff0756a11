// One cumulative ack, judged. From a cursor at `a` to `n` it owes a second tick for each row in
// (a, n] whose `slots` hold this device, that the device has not failed, and that no other of its
// devices had before. Rows that every device has are removed.
//
// An ack never makes or revives a cursor. What a device names as failed counts only inside (a, n]:
// its bit leaves `slots`, and the sender gets a notice that names the device.

import { type DeviceAddress, NoticeKind, RefusalCode } from '@twotick/protocol'
import {
  type Draft,
  type Name,
  type Picture,
  removeDone,
  rowsOf,
  setAcked,
  setSlots,
} from './draft.ts'
import { bitOf, cursorOf, isHeldBy, type Mailbox, type Row, slotOf } from './mailbox.ts'
import { addToNotice, type Message, type Notices } from './notice.ts'
import { acked, type Outcome, refused } from './outcome.ts'

export interface Ack {
  readonly device: DeviceAddress
  readonly seq: number
  readonly failed: ReadonlySet<number>
  /** Whose the entries are, as the gateway pushed them: spares opening what is sealed. */
  readonly names: ReadonlyMap<number, Name>
  /** Of traced entries, by seq: the span of this ack. */
  readonly traces?: ReadonlyMap<number, Uint8Array> | undefined
}

/** What an ack with failed entries needs: whose they are, and where their notices go. */
export interface FailedEntries {
  readonly messages: ReadonlyMap<number, Message>
  readonly notices: Notices
}

/** Whether an ack fails entries that count: those between the device's cursor and the ack. */
export function failsEntries({ mailboxes }: Picture, ack: Ack): boolean {
  const mailbox = mailboxes.get(ack.device.accountId)
  const ackedSeq = (mailbox && cursorOf(mailbox, ack.device.deviceId))?.ackedSeq ?? Infinity
  return [...ack.failed].some((seq) => seq > ackedSeq && seq <= ack.seq)
}

/**
 * Moves a cursor in the draft and returns `acked` with where it is now. Refused: UNLINKED,
 * ACK_BEYOND_PUSHED (beyond the head). Needs the rows in (cursor, seq] in the picture.
 */
export function judgeAck(draft: Draft, ack: Ack, failures?: FailedEntries): Outcome {
  const mailbox = draft.picture.mailboxes.get(ack.device.accountId)
  const slot = mailbox === undefined ? -1 : slotOf(mailbox, ack.device.deviceId)
  const cursor = mailbox?.cursors[slot]
  if (mailbox === undefined || cursor === undefined) {
    return refused(RefusalCode.UNLINKED, 'the device has no cursor')
  }
  if (ack.seq > mailbox.headSeq) {
    return refused(RefusalCode.ACK_BEYOND_PUSHED, 'the ack is beyond the head')
  }
  if (ack.seq <= cursor.ackedSeq) return acked(cursor.ackedSeq)

  for (const row of rowsOf(draft.picture, mailbox.accountId)) {
    if (row.seq <= cursor.ackedSeq || row.seq > ack.seq) continue
    if (failures !== undefined && ack.failed.has(row.seq)) {
      fail(draft, mailbox, row, { slot, deviceId: cursor.deviceId, ...failures })
    } else if (row.slots & bitOf(slot) && !isHeldBy(mailbox, row.seq, row.slots)) {
      const { accountId: recipientAccountId } = mailbox
      draft.ticks.push({ recipientAccountId, seq: row.seq, name: ack.names.get(row.seq) })
    }
  }
  setAcked(draft, mailbox, slot, ack.seq)
  removeDone(draft, mailbox)
  return acked(ack.seq)
}

interface Failing extends FailedEntries {
  readonly slot: number
  readonly deviceId: number
}

/** The device has the entry and can do nothing with it. What owes no message has no sender to tell. */
function fail(draft: Draft, mailbox: Mailbox, row: Row, failing: Failing): void {
  const message = failing.messages.get(row.seq)
  if (row.isNotice || message === undefined) return
  const isFor = (row.slots & bitOf(failing.slot)) !== 0
  if (isFor) setSlots(draft, mailbox, row, row.slots & ~bitOf(failing.slot))
  // Slots that were empty before belong to what somebody has had.
  const closing = isFor && row.slots === 0
  const about = { message, kind: NoticeKind.UNPROCESSABLE, closing }
  addToNotice(failing.notices, about, mailbox.accountId, failing.deviceId)
}
