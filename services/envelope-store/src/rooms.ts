// Counts the mailboxes that a batch may fill, under their locks and after its acks: only what is
// counted exactly is ever refused, and only what is delivered makes room.

import type { AccountId } from '@twotick/protocol'
import type { Sending } from './append.ts'
import { bigintArray, uuidArray } from './binary-array.ts'
import type { Draft } from './draft.ts'
import { entriesOf } from './entries-by-key.ts'
import { type Mailbox, minAckedSeq, SLOT_COUNT } from './mailbox.ts'
import { type Demand, mayOverflow, type Quota } from './room.ts'
import { type Queries, rowsByShard } from './transaction.ts'

// What a send may leave in its sender's mailbox beside the own copy: two notices, with so many bytes
// for each recipient that they name.
const NOTICES_OF_SEND = 2
const NOTICE_BYTES = 128
const NOTICE_RECIPIENT_BYTES = 48

const entriesAbove = entriesOf('x.account_id = d.account_id and x.seq > d.acked_seq')

const countSql = `
  select d.account_id, count(*) as entries, sum(octet_length(e.sealed))::bigint as bytes
    from unnest($1::uuid[], $2::bigint[]) d(account_id, acked_seq)
    cross join ${entriesAbove} e
   group by d.account_id`

const deliveredSql = `
  select e.account_id, e.seq, e.slots, octet_length(e.sealed) as bytes
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                $7::bigint[]) d(account_id, acked_seq, a1, a2, a3, a4, a5)
    cross join ${entriesAbove} e
   where e.expires_at <> 'infinity'
     and (e.slots = 0
       or (e.slots & 1 <> 0 and e.seq <= d.a1)
       or (e.slots & 2 <> 0 and e.seq <= d.a2)
       or (e.slots & 4 <> 0 and e.seq <= d.a3)
       or (e.slots & 8 <> 0 and e.seq <= d.a4)
       or (e.slots & 16 <> 0 and e.seq <= d.a5))
   order by e.account_id, e.seq`

/** Puts the rooms of the mailboxes that `sendings` may overflow into the draft's picture. */
export async function countRooms(
  tx: Queries,
  { picture }: Draft,
  sendings: readonly Sending[],
  quota: Quota,
): Promise<void> {
  const full: Mailbox[] = []
  for (const [accountId, demand] of demandsOf(sendings)) {
    const mailbox = picture.mailboxes.get(accountId)
    if (mailbox !== undefined && mayOverflow(mailbox, demand, quota)) full.push(mailbox)
  }
  const [counts, rows] = await Promise.all([
    rowsByShard<CountRow, Mailbox>(tx, full, (group) => ({
      name: 'count_entries',
      text: countSql,
      values: placesOf(group),
    })),
    rowsByShard<DeliveredRow, Mailbox>(tx, full, (group) => ({
      name: 'delivered_entries',
      text: deliveredSql,
      values: [...placesOf(group), ...cursorsOf(group)],
    })),
  ])
  const delivered = Map.groupBy(rows, (row) => row.account_id)
  const counted = new Map(counts.map((row) => [row.account_id, row]))
  for (const { accountId } of full) {
    const { entries, bytes } = counted.get(accountId) ?? { entries: 0, bytes: 0 }
    const leaving = delivered.get(accountId) ?? []
    picture.rooms.set(accountId, {
      entries,
      bytes,
      delivered: leaving.map(({ seq, slots, bytes }) => ({ seq, slots, bytes, isNotice: false })),
    })
  }
}

interface CountRow {
  account_id: AccountId
  entries: number
  bytes: number
}

interface DeliveredRow {
  account_id: AccountId
  seq: number
  slots: number
  bytes: number
}

function placesOf(mailboxes: readonly Mailbox[]): Buffer[] {
  return [
    uuidArray(mailboxes.map((mailbox) => mailbox.accountId)),
    bigintArray(mailboxes.map((mailbox) => minAckedSeq(mailbox))),
  ]
}

function cursorsOf(mailboxes: readonly Mailbox[]): Buffer[] {
  return Array.from({ length: SLOT_COUNT }, (_, slot) =>
    bigintArray(mailboxes.map((mailbox) => mailbox.cursors[slot]?.ackedSeq ?? null)),
  )
}

/** What the sendings may add to each mailbox, at most. */
function demandsOf(sendings: readonly Sending[]): Map<AccountId, Demand> {
  const demands = new Map<AccountId, Demand>()
  const add = (accountId: AccountId, entries: number, bytes: number) => {
    const demand = demands.get(accountId)
    if (demand === undefined) {
      demands.set(accountId, { entries, bytes })
    } else {
      demand.entries += entries
      demand.bytes += bytes
    }
  }
  for (const { sender, copies, ownBytesMax } of sendings) {
    const noticeBytes = NOTICES_OF_SEND * NOTICE_BYTES + copies.length * NOTICE_RECIPIENT_BYTES
    add(sender.accountId, 1 + NOTICES_OF_SEND, ownBytesMax + noticeBytes)
    for (const { accountId, sealed } of copies) add(accountId, 1, sealed.length)
  }
  return demands
}
