// How every transaction begins: it locks all mailbox rows that it may write, the senders' included
// where it may write a notice, in account order, then sender rows in order, and only then reads
// entries. What is looked for without locks is read again under them. (Claiming entries first and
// locking mailboxes afterwards deadlocked a hundred times in 10 s; this order never did.)

import { type AccountId, addressKey, type DeviceAddress } from '@twotick/protocol'
import { smallintArray, uuidArray } from './binary-array.ts'
import { createPicture, type Picture } from './draft.ts'
import type { Cursor, Mailbox } from './mailbox.ts'
import { lockedMailbox, lockedSender } from './newest.ts'
import { type Queries, rowsByShard } from './transaction.ts'

export interface MailboxRow {
  ctid?: number
  account_id: AccountId
  head_seq: number
  floor_seq: number
  bytes: number
  d1: number | null
  a1: number | null
  d2: number | null
  a2: number | null
  d3: number | null
  a3: number | null
  d4: number | null
  a4: number | null
  d5: number | null
  a5: number | null
}

// In the order of the arrays: a lateral row is looked for when it is its turn.
const lockMailboxesSql = `
  select /* not on Citus: */ m.ctid, /* . */ m.account_id, m.head_seq, m.floor_seq, m.bytes,
         m.d1, m.a1, m.d2, m.a2, m.d3, m.a3, m.d4, m.a4, m.d5, m.a5
    from unnest($1::uuid[]) d(account_id) cross join ${lockedMailbox} m`

const lockSendersSql = `
  select /* not on Citus: */ s.ctid, /* . */ s.account_id, s.device_id, s.session, s.sent_no, int8send(s.sent_tag) as sent_tag
    from unnest($1::uuid[], $2::smallint[]) d(account_id, device_id) cross join ${lockedSender} s`

const clockSql = `select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms`

/**
 * Locks mailboxes and senders, in order, and shows them. What does not exist is not in the picture; nor
 * is the time, where nobody needs it: it is a statement of its own.
 */
export async function lock(
  tx: Queries,
  accountIds: ReadonlySet<AccountId>,
  addresses: ReadonlyMap<string, DeviceAddress> = new Map(),
  { isTimed } = { isTimed: true },
): Promise<Picture> {
  const mailboxes = [...accountIds].sort().map((accountId) => ({ accountId }))
  const senders = [...addresses.values()].sort(compareAddresses)
  const [mailboxRows, senderRows, [clock]] = await Promise.all([
    rowsByShard<MailboxRow, (typeof mailboxes)[number]>(tx, mailboxes, (group) => ({
      name: 'lock_mailboxes',
      text: lockMailboxesSql,
      values: [uuidArray(group.map((mailbox) => mailbox.accountId))],
    })),
    rowsByShard<SenderRow, DeviceAddress>(tx, senders, (group) => ({
      name: 'lock_senders',
      text: lockSendersSql,
      values: [
        uuidArray(group.map((sender) => sender.accountId)),
        smallintArray(group.map((sender) => sender.deviceId)),
      ],
    })),
    // After the locks, so that what comes later in a mailbox is not accepted earlier.
    isTimed ? tx.rows<{ now_ms: number }>({ name: 'clock', text: clockSql }) : [],
  ])
  const picture = createPicture(clock?.now_ms ?? Number.NaN)
  for (const row of mailboxRows) picture.mailboxes.set(row.account_id, toMailbox(row))
  for (const row of senderRows) {
    const address = { accountId: row.account_id, deviceId: row.device_id }
    picture.senders.set(addressKey(address), {
      address,
      ctid: row.ctid,
      session: row.session,
      sentNo: row.sent_no,
      sentTag: row.sent_tag,
    })
  }
  return picture
}

interface SenderRow {
  ctid?: number
  account_id: AccountId
  device_id: number
  session: number
  sent_no: number
  sent_tag: Uint8Array
}

export function toMailbox(row: MailboxRow): Mailbox {
  return {
    accountId: row.account_id,
    ctid: row.ctid,
    headSeq: row.head_seq,
    floorSeq: row.floor_seq,
    bytes: row.bytes,
    cursors: [
      toCursor(row.d1, row.a1),
      toCursor(row.d2, row.a2),
      toCursor(row.d3, row.a3),
      toCursor(row.d4, row.a4),
      toCursor(row.d5, row.a5),
    ],
  }
}

function toCursor(deviceId: number | null, ackedSeq: number | null): Cursor | undefined {
  return deviceId === null || ackedSeq === null ? undefined : { deviceId, ackedSeq }
}

function compareAddresses(a: DeviceAddress, b: DeviceAddress): number {
  if (a.accountId !== b.accountId) return a.accountId < b.accountId ? -1 : 1
  return a.deviceId - b.deviceId
}
