// Reads entries into a picture, under the locks that it was made with: some by their places, others
// by which of them an ack passes.

import type { AccountId, DeviceAddress } from '@twotick/protocol'
import { bigintArray, smallintArray, uuidArray } from './binary-array.ts'
import type { Picture } from './draft.ts'
import { entriesOf, entryAt } from './entries-by-key.ts'
import { lock } from './locks.ts'
import type { Row } from './mailbox.ts'
import { newestMailbox } from './newest.ts'
import { type Queries, rowsByShard } from './transaction.ts'

/** Where one entry is. */
export interface Place {
  readonly accountId: AccountId
  readonly seq: number
}

/** Rows of one mailbox: `afterSeq < seq <= lastSeq`. */
export interface SeqRange {
  readonly accountId: AccountId
  readonly afterSeq: number
  readonly lastSeq: number
}

const readRangesSql = `
  select /* not on Citus: */ e.ctid, /* . */ e.account_id, e.seq, e.slots,
         octet_length(e.sealed) as bytes, e.expires_at = 'infinity' as is_notice
    from unnest($1::uuid[], $2::bigint[], $3::bigint[]) d(account_id, after_seq, last_seq)
    cross join ${entriesOf('x.account_id = d.account_id and x.seq > d.after_seq and x.seq <= d.last_seq')} e
   order by e.account_id, e.seq`

/** Reads the rows of some ranges, one for each mailbox, into the picture. */
export async function readRanges(
  tx: Queries,
  picture: Picture,
  ranges: readonly SeqRange[],
): Promise<void> {
  if (ranges.length === 0) return
  const rows = await rowsByShard<EntryRow, SeqRange>(tx, ranges, (group) => ({
    name: 'read_ranges',
    text: readRangesSql,
    values: [
      uuidArray(group.map((range) => range.accountId)),
      bigintArray(group.map((range) => range.afterSeq)),
      bigintArray(group.map((range) => range.lastSeq)),
    ],
  }))
  addRows(picture, rows)
}

const readAckedSql = `
  select distinct on (e.account_id, e.seq)
         /* not on Citus: */ e.ctid, /* . */ e.account_id, e.seq, e.slots,
         octet_length(e.sealed) as bytes, e.expires_at = 'infinity' as is_notice
    from unnest($1::uuid[], $2::smallint[], $3::bigint[]) d(account_id, device_id, seq)
    cross join ${newestMailbox} m
    cross join ${entriesOf(`x.account_id = d.account_id and x.seq <= d.seq
         and x.seq > case d.device_id when m.d1 then m.a1 when m.d2 then m.a2 when m.d3 then m.a3
                                      when m.d4 then m.a4 when m.d5 then m.a5 end`)} e
   where m.head_seq >= d.seq
   order by e.account_id, e.seq`

/** An ack, as far as it says which rows it passes: those above its device's cursor. */
export interface Passing {
  readonly device: DeviceAddress
  readonly seq: number
}

/**
 * Locks as `lock` does, and shows the rows that acks pass too. They are read by where the cursors are
 * under the locks, and in the same round trip.
 */
export async function lockAcked(
  tx: Queries,
  accountIds: ReadonlySet<AccountId>,
  addresses: ReadonlyMap<string, DeviceAddress>,
  acks: readonly Passing[],
): Promise<Picture> {
  const passing = acks.map(({ device, seq }) => ({ ...device, seq }))
  const [picture, rows] = await Promise.all([
    // What is only acknowledged gets no time; what is sent does.
    lock(tx, accountIds, addresses, { isTimed: addresses.size > 0 }),
    rowsByShard<EntryRow, (typeof passing)[number]>(tx, passing, (group) => ({
      name: 'read_acked',
      text: readAckedSql,
      values: [
        uuidArray(group.map((ack) => ack.accountId)),
        smallintArray(group.map((ack) => ack.deviceId)),
        bigintArray(group.map((ack) => ack.seq)),
      ],
    })),
  ])
  addRows(picture, rows)
  return picture
}

const readSeqsSql = `
  select /* not on Citus: */ e.ctid, /* . */ e.account_id, e.seq, e.slots,
         octet_length(e.sealed) as bytes, e.expires_at = 'infinity' as is_notice
    from unnest($1::uuid[], $2::bigint[]) d(account_id, seq)
    cross join ${entryAt} e
   order by e.account_id, e.seq`

/** Reads single rows into the picture: what was found without locks, as it is under them. */
export async function readSeqs(
  tx: Queries,
  picture: Picture,
  found: readonly Place[],
): Promise<void> {
  const rows = await rowsByShard<EntryRow, Place>(tx, found, (group) => ({
    name: 'read_seqs',
    text: readSeqsSql,
    values: [
      uuidArray(group.map((row) => row.accountId)),
      bigintArray(group.map((row) => row.seq)),
    ],
  }))
  addRows(picture, rows)
}

interface EntryRow {
  ctid?: number
  account_id: AccountId
  seq: number
  slots: number
  bytes: number
  is_notice: boolean
}

function addRows(picture: Picture, rows: readonly EntryRow[]): void {
  for (const { account_id: accountId, ctid, seq, slots, bytes, is_notice: isNotice } of rows) {
    const mailboxRows = picture.rows.get(accountId) ?? new Map<number, Row>()
    picture.rows.set(accountId, mailboxRows)
    mailboxRows.set(seq, { ctid, seq, slots, bytes, isNotice })
  }
}
