// How entries leave undelivered: expired, with their mailbox, or with the last device that they are
// for. Each leaves one closing notice for its sender, in the same transaction; what was delivered
// leaves none. Acks have their own way out (ack.ts), making room takes only what is delivered.

import { NoticeKind } from '@twotick/protocol'
import { type Draft, removeDone, removeRow, rowsOf, setSlots } from './draft.ts'
import { bitOf, isDelivered, type Mailbox, minAckedSeq, type Row } from './mailbox.ts'
import { addToNotice, type Notices } from './notice.ts'
import type { Messages } from './sealed-rows.ts'

export interface Leaving {
  readonly draft: Draft
  readonly notices: Notices
  /** Whose the rows are; needed of each that is not delivered. */
  readonly messages: Messages
}

/**
 * Removes an entry, delivered or not. One whose message was not read stays (false): it can only have
 * been delivered when it was looked for, and what is delivered stays so.
 */
export function removeEntry(
  leaving: Leaving,
  mailbox: Mailbox,
  row: Row,
  kind: NoticeKind,
): boolean {
  if (!isDelivered(mailbox, row) && !noteUndelivered(leaving, mailbox, row, kind)) return false
  removeRow(leaving.draft, mailbox, row)
  return true
}

/**
 * Takes a device's bit from the entries that were read. What the device had is delivered for good:
 * nobody's any more. What nobody else has or waits for closes with a notice. What all other devices
 * have goes, notices apart: those go with the cursor, as long as which they may still be read.
 */
export function takeSlot(leaving: Leaving, mailbox: Mailbox, slot: number): void {
  const { draft } = leaving
  const ackedSeq = mailbox.cursors[slot]?.ackedSeq ?? 0
  const othersAckedSeq = minAckedSeq(mailbox, slot)
  for (const row of rowsOf(draft.picture, mailbox.accountId)) {
    if (row.isNotice) continue
    if (row.slots & bitOf(slot)) {
      const left = row.seq <= ackedSeq ? 0 : row.slots & ~bitOf(slot)
      const isClosed = left === 0 && !isDelivered(mailbox, row)
      const kind = NoticeKind.UNDELIVERABLE
      if (isClosed && !noteUndelivered(leaving, mailbox, row, kind)) continue
      setSlots(draft, mailbox, row, left)
    }
    if (row.seq <= othersAckedSeq) removeRow(draft, mailbox, row)
  }
}

/** Frees a slot that no entry holds any more, and removes what nobody waits for from now on. */
export function dropCursor(draft: Draft, mailbox: Mailbox, slot: number): void {
  mailbox.cursors[slot] = undefined
  draft.changedMailboxes.add(mailbox.accountId)
  removeDone(draft, mailbox)
}

function noteUndelivered(
  { notices, messages }: Leaving,
  mailbox: Mailbox,
  row: Row,
  kind: NoticeKind,
): boolean {
  const message = messages.get(mailbox.accountId, row.seq)
  if (message === undefined) return false
  addToNotice(notices, { message, kind, closing: true }, mailbox.accountId)
  return true
}
