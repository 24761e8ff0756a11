// A mailbox, its cursors and its rows as a transaction sees them once it holds the locks, and the
// questions that every rule asks of them. No I/O in here.
//
// A cursor sits in one of five slots; an entry's `slots` is the set of those (a bit mask, bit 0 for
// the first) that the message is for, of those that had a cursor when it was appended.

import type { AccountId, DeviceAddress } from '@twotick/protocol'

export const SLOT_COUNT = 5

export interface Cursor {
  readonly deviceId: number
  ackedSeq: number
}

/** A row that was read under the transaction's locks. */
export interface Placed {
  /** Where it is (by-place.ts); undefined where that is not known, or no longer. */
  ctid?: number | undefined
}

export interface Mailbox extends Placed {
  readonly accountId: AccountId
  headSeq: number
  floorSeq: number
  bytes: number
  /** Always `SLOT_COUNT` long; undefined where the slot is free. */
  readonly cursors: (Cursor | undefined)[]
}

export interface Sender extends Placed {
  readonly address: DeviceAddress
  session: number
  sentNo: number
  sentTag: Uint8Array
}

/** An entry without what is sealed in it. */
export interface Row extends Placed {
  readonly seq: number
  slots: number
  readonly bytes: number
  readonly isNotice: boolean
}

/** The slot of a device's cursor; -1 if it has none. */
export function slotOf(mailbox: Mailbox, deviceId: number): number {
  return mailbox.cursors.findIndex((cursor) => cursor?.deviceId === deviceId)
}

export function cursorOf(mailbox: Mailbox, deviceId: number): Cursor | undefined {
  return mailbox.cursors.find((cursor) => cursor?.deviceId === deviceId)
}

/** The bits of all slots with a cursor, or of those that hold one of `deviceIds`. */
export function slotsOf(mailbox: Mailbox, deviceIds?: readonly number[]): number {
  return mailbox.cursors.reduce(
    (slots, cursor, slot) =>
      cursor !== undefined && (deviceIds === undefined || deviceIds.includes(cursor.deviceId))
        ? slots | bitOf(slot)
        : slots,
    0,
  )
}

export function bitOf(slot: number): number {
  return 1 << slot
}

/** Up to where every device has everything; the head where no device is left to wait for. */
export function minAckedSeq(mailbox: Mailbox, exceptSlot = -1): number {
  return mailbox.cursors.reduce(
    (least, cursor, slot) =>
      cursor === undefined || slot === exceptSlot ? least : Math.min(least, cursor.ackedSeq),
    mailbox.headSeq,
  )
}

/** Whether a device that the entry is for has it, or none has to. */
export function isDelivered(mailbox: Mailbox, row: Pick<Row, 'seq' | 'slots'>): boolean {
  return row.slots === 0 || isHeldBy(mailbox, row.seq, row.slots)
}

/** Whether a device in `slots` has acknowledged `seq`. */
export function isHeldBy(mailbox: Mailbox, seq: number, slots: number): boolean {
  return mailbox.cursors.some(
    (cursor, slot) => cursor !== undefined && slots & bitOf(slot) && seq <= cursor.ackedSeq,
  )
}

/** How many entries there are at most: what left out of order is not subtracted. */
export function entriesAtMost(mailbox: Mailbox): number {
  return mailbox.headSeq - Math.max(mailbox.floorSeq, minAckedSeq(mailbox))
}
