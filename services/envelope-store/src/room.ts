// The quota of a mailbox: bounded in entries and in bytes. Nothing undelivered is ever dropped for
// room, and nothing is refused on an estimate: the bound by head and cursors is never too low, so
// only a mailbox that may be full by it has its rows counted (a Room), under the lock.

import type { AccountId } from '@twotick/protocol'
import { type Draft, removeRow } from './draft.ts'
import { entriesAtMost, type Mailbox, type Row } from './mailbox.ts'

export interface Quota {
  readonly entriesMax: number
  readonly bytesMax: number
}

/** What a mailbox exactly holds, and which of it makes room: delivered, no notice, oldest first. */
export interface Room {
  entries: number
  bytes: number
  readonly delivered: Row[]
}

/** What a batch may append to a mailbox, at most. */
export interface Demand {
  entries: number
  bytes: number
}

const NONE: readonly Row[] = []

/** Whether a mailbox must be counted before the batch is judged. */
export function mayOverflow(mailbox: Mailbox, demand: Demand, quota: Quota): boolean {
  return (
    entriesAtMost(mailbox) + demand.entries > quota.entriesMax ||
    mailbox.bytes + demand.bytes > quota.bytesMax
  )
}

/**
 * The rows that must leave so that an entry of `bytes` fits, oldest first: none where it fits as it
 * is; undefined where it does not fit whatever leaves. Changes nothing.
 */
export function findRoom(
  rooms: ReadonlyMap<AccountId, Room>,
  mailbox: Mailbox,
  bytes: number,
  quota: Quota,
): readonly Row[] | undefined {
  const room = rooms.get(mailbox.accountId)
  if (room === undefined) return NONE
  let entriesOver = room.entries + 1 - quota.entriesMax
  let bytesOver = room.bytes + bytes - quota.bytesMax
  let leaving = 0
  while (entriesOver > 0 || bytesOver > 0) {
    const row = room.delivered[leaving]
    if (row === undefined) return undefined
    leaving += 1
    entriesOver -= 1
    bytesOver -= row.bytes
  }
  return room.delivered.slice(0, leaving)
}

/** Removes what `findRoom` found. */
export function makeRoom(draft: Draft, mailbox: Mailbox, leaving: readonly Row[]): void {
  if (leaving.length === 0) return
  for (const row of leaving) removeRow(draft, mailbox, row)
  draft.picture.rooms.get(mailbox.accountId)?.delivered.splice(0, leaving.length)
}
