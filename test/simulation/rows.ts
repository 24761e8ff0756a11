// Questions that the statements ask of a row.

import { type EntryRow, type MailboxRow, type SenderRow, type View } from './tables.ts'
import type { QueryResultRow } from 'pg'

export interface Running {
  readonly view: View
  readonly text: string
  readonly values: readonly unknown[]
  readonly nowMs: number
  /** Locks rows; false: the statement runs again once it may have them. */
  lock(keys: readonly string[]): boolean
}

/** Undefined: it waits for a lock. */
export type Statement = (running: Running) => QueryResultRow[] | undefined
export type Statements = Readonly<Record<string, Statement>>

type Slot = 1 | 2 | 3 | 4 | 5
export const SLOTS: readonly Slot[] = [1, 2, 3, 4, 5]

export function slotsOf(row: MailboxRow) {
  return SLOTS.map((slot) => ({
    bit: 1 << (slot - 1),
    deviceId: row[`d${slot}`],
    ackedSeq: row[`a${slot}`],
  }))
}

/** SQL's least(): nulls do not count; null if there is nothing else. */
export function least(row: MailboxRow): number | null {
  const acked = slotsOf(row).flatMap(({ ackedSeq }) => ackedSeq ?? [])
  return acked.length === 0 ? null : Math.min(...acked)
}

export function ackedOf(row: MailboxRow, deviceId: unknown): number | null {
  return slotsOf(row).find((slot) => slot.deviceId === deviceId)?.ackedSeq ?? null
}

export function isHeld(
  row: Pick<EntryRow, 'seq' | 'slots'>,
  cursors: readonly (number | null)[],
): boolean {
  return cursors.some(
    (acked, slot) => acked !== null && row.slots & (1 << slot) && row.seq <= acked,
  )
}

export function cursorsOf(row: MailboxRow): (number | null)[] {
  return slotsOf(row).map(({ ackedSeq }) => ackedSeq)
}

export const mailboxLock = (accountId: string) => `mailbox ${accountId}`
export const entryLock = (accountId: string, seq: number) => `entry ${accountId} ${seq}`
export const senderLock = (key: string) => `sender ${key}`

const ctids = new WeakMap<EntryRow | MailboxRow | SenderRow, number>()
let lastCtid = 0

/** Where a row is: rows are replaced, never changed, so each version of one is somewhere else. */
export function ctidOf(row: EntryRow | MailboxRow | SenderRow): number {
  const ctid = ctids.get(row) ?? ++lastCtid
  ctids.set(row, ctid)
  return ctid
}

export function shown(row: EntryRow) {
  const { account_id, seq, slots, sealed, expiresAtMs } = row
  const ctid = ctidOf(row)
  return { ctid, account_id, seq, slots, bytes: sealed.length, is_notice: expiresAtMs === Infinity }
}

export function opened({ account_id, seq, tag, sealed }: EntryRow) {
  return { account_id, seq, tag, sealed }
}

export const str = (value: unknown) => value as string
export const num = (value: unknown) => value as number
