// What one transaction is going to write. The rules (append, ack, expire, …) decide on a picture of
// the rows that the transaction has locked; each changes the picture, so that the next decision
// sees what the one before left, and notes what must be written. Nothing here does I/O: the same
// rules run on Postgres (persist.ts) and on any other store that can fill a picture.

import { type AccountId, addressKey, type DeviceAddress } from '@twotick/protocol'
import type { SealedContent } from '@twotick/protocol/services'
import assert from 'node:assert/strict'
import { type Mailbox, minAckedSeq, type Row, type Sender } from './mailbox.ts'
import type { Room } from './room.ts'
import type { Sealed } from './sealed.ts'

/** The rows that the transaction holds locked, by account and by device address. */
export interface Picture {
  readonly nowMs: number
  readonly mailboxes: Map<AccountId, Mailbox>
  readonly senders: Map<string, Sender>
  /** Those entries that were read, in seq order for each mailbox. */
  readonly rows: Map<AccountId, Map<number, Row>>
  /** Exact counts of mailboxes that may be full. */
  readonly rooms: Map<AccountId, Room>
}

/** What an appended entry is made of; `sealed` is `content`, sealed. */
export interface Content {
  readonly tag: Uint8Array
  readonly content: SealedContent
  readonly sealed: Sealed
}

export interface NewEntry extends Content {
  readonly accountId: AccountId
  readonly seq: number
  readonly slots: number
  /** undefined: never, it is a notice */
  readonly expiresAtMs: number | undefined
}

/** A message by its name, as its entries are told. */
export interface Name {
  readonly sender: DeviceAddress
  readonly no: number
  readonly trace?: Uint8Array | undefined
}

/** A second tick: whose send has reached a device of `recipientAccountId`. */
export interface OwedTick {
  readonly recipientAccountId: AccountId
  readonly seq: number
  /** undefined: to be read from the row before it is removed */
  name: Name | undefined
}

export interface Draft {
  readonly picture: Picture
  readonly appended: NewEntry[]
  readonly removed: { accountId: AccountId; seq: number; ctid: number | undefined }[]
  readonly slotChanges: { accountId: AccountId; seq: number; slots: number }[]
  readonly ticks: OwedTick[]
  readonly changedMailboxes: Set<AccountId>
  readonly changedSenders: Set<string>
  /** For the books: pairs of message and recipient account. */
  readonly tally: { accepted: number; noticed: number }
  /** Mailboxes that lost entries above their cursors: floor_seq is to be found anew. */
  readonly emptied: Set<AccountId>
}

export function createDraft(picture: Picture): Draft {
  return {
    picture,
    appended: [],
    removed: [],
    slotChanges: [],
    ticks: [],
    changedMailboxes: new Set(),
    changedSenders: new Set(),
    tally: { accepted: 0, noticed: 0 },
    emptied: new Set(),
  }
}

export function createPicture(nowMs: number): Picture {
  return { nowMs, mailboxes: new Map(), senders: new Map(), rows: new Map(), rooms: new Map() }
}

/** Appends an entry to a mailbox; it gets the next seq. */
export function appendEntry(
  draft: Draft,
  mailbox: Mailbox,
  { tag, content, sealed }: Content,
  { slots, expiresAtMs }: Pick<NewEntry, 'slots' | 'expiresAtMs'>,
): void {
  mailbox.headSeq += 1
  mailbox.bytes += sealed.length
  const { accountId, headSeq: seq } = mailbox
  draft.appended.push({ accountId, seq, tag, content, sealed, slots, expiresAtMs })
  draft.changedMailboxes.add(accountId)
  const room = draft.picture.rooms.get(accountId)
  if (room !== undefined) {
    const isNotice = expiresAtMs === undefined
    room.entries += 1
    room.bytes += sealed.length
    // What owes no tick makes room at once, also for what comes behind it in this transaction.
    if (slots === 0 && !isNotice) {
      room.delivered.push({ seq, slots: 0, bytes: sealed.length, isNotice })
    }
  }
}

/** Removes an entry that was read, or has just been appended. Who is owed a notice for it is the caller's business. */
export function removeRow(draft: Draft, mailbox: Mailbox, row: Row): void {
  const { accountId } = mailbox
  draft.picture.rows.get(accountId)?.delete(row.seq)
  draft.removed.push({ accountId, seq: row.seq, ctid: row.ctid })
  mailbox.bytes -= row.bytes
  if (row.seq > minAckedSeq(mailbox)) draft.emptied.add(accountId)
  draft.changedMailboxes.add(accountId)
  const room = draft.picture.rooms.get(accountId)
  if (room !== undefined) {
    room.entries -= 1
    room.bytes -= row.bytes
  }
}

/** Removes what every device has: the rows up to the least cursor. */
export function removeDone(draft: Draft, mailbox: Mailbox): void {
  const done = minAckedSeq(mailbox)
  for (const row of rowsOf(draft.picture, mailbox.accountId)) {
    if (row.seq <= done) removeRow(draft, mailbox, row)
  }
  // The sum is exact as it is; an empty mailbox heals it should that ever be untrue.
  if (done === mailbox.headSeq) mailbox.bytes = 0
}

export function setSlots(draft: Draft, mailbox: Mailbox, row: Row, slots: number): void {
  row.slots = slots
  row.ctid = undefined // it is written before it is removed, and then somewhere else
  draft.slotChanges.push({ accountId: mailbox.accountId, seq: row.seq, slots })
}

export function setAcked(draft: Draft, mailbox: Mailbox, slot: number, seq: number): void {
  const cursor = mailbox.cursors[slot]
  assert(cursor !== undefined && seq <= mailbox.headSeq, 'an ack never makes a cursor')
  cursor.ackedSeq = seq
  draft.changedMailboxes.add(mailbox.accountId)
}

/** The rows of a mailbox that were read and are still there, in seq order; removing is allowed. */
export function rowsOf(picture: Picture, accountId: AccountId): Iterable<Row> {
  return picture.rows.get(accountId)?.values() ?? []
}

export function senderOf(picture: Picture, address: DeviceAddress): Sender | undefined {
  return picture.senders.get(addressKey(address))
}
