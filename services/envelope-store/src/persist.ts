// Writes what a draft says, in as few statements as there are kinds of change, one for rows whose places
// are known and one for those found by their keys (on Citus: for each shard). Everything written here is
// locked, so values are set, not computed: the picture is what the row will be.

import type { AccountId } from '@twotick/protocol'
import {
  bigintArray,
  byteaArray,
  smallintArray,
  tagArray,
  tidArray,
  timestamptzArray,
  uuidArray,
} from './binary-array.ts'
import { byPlace, forPlace, isPlaced } from './by-place.ts'
import type { Draft } from './draft.ts'
import { entryAt } from './entries-by-key.ts'
import { type Mailbox, type Placed, type Sender, SLOT_COUNT } from './mailbox.ts'
import { newestMailbox, newestSender } from './newest.ts'
import { lastByShard, type Queries } from './transaction.ts'

/** Writes the draft within the transaction that holds its locks, together with its commit. */
export function persist(tx: Queries, draft: Draft): void {
  // Removals last: a row may have changed, or have come only now, and then gone.
  changeSlots(tx, draft)
  insertEntries(tx, draft)
  removeEntries(tx, draft)
  updateMailboxes(tx, draft)
  updateSenders(tx, draft)
  raiseFloors(tx, draft)
}

type Column = readonly [name: string, type: string]

const MAILBOX_COLUMNS: readonly Column[] = [
  ['head_seq', 'bigint'],
  ['bytes', 'bigint'],
  ...Array.from({ length: SLOT_COUNT }, (_, slot): Column[] => [
    [`d${slot + 1}`, 'smallint'],
    [`a${slot + 1}`, 'bigint'],
  ]).flat(),
]

// The key is asked for too: nothing that is somewhere else is ever written.
const updatePlacedMailboxesSql = `
  update mailbox.mailbox m
     set ${setForPlace('m', MAILBOX_COLUMNS, 3)}
   where ${isPlaced('m')} and m.account_id = ${forPlace('m', 2, 'uuid')}`

const updateMailboxesSql = `
  update mailbox.mailbox m
     set head_seq = d.head_seq, bytes = d.bytes,
         d1 = d.d1, a1 = d.a1, d2 = d.d2, a2 = d.a2, d3 = d.d3, a3 = d.a3,
         d4 = d.d4, a4 = d.a4, d5 = d.d5, a5 = d.a5
    from unnest($1::uuid[], $2::bigint[], $3::bigint[],
                $4::smallint[], $5::bigint[], $6::smallint[], $7::bigint[],
                $8::smallint[], $9::bigint[], $10::smallint[], $11::bigint[],
                $12::smallint[], $13::bigint[])
      d(account_id, head_seq, bytes, d1, a1, d2, a2, d3, a3, d4, a4, d5, a5)
    cross join ${newestMailbox} newest
   where m.ctid = newest.ctid /* on Citus: and m.account_id = any($1::uuid[]) */`

function updateMailboxes(tx: Queries, draft: Draft): void {
  const mailboxes = [...draft.changedMailboxes]
    .map((accountId) => draft.picture.mailboxes.get(accountId))
    .filter((mailbox) => mailbox !== undefined)
  updateLocked(tx, mailboxes, {
    kind: 'mailboxes',
    placedSql: updatePlacedMailboxesSql,
    sql: updateMailboxesSql,
    arrays: mailboxArrays,
    accountOf: (mailbox) => mailbox.accountId,
  })
}

function mailboxArrays(mailboxes: readonly Mailbox[]): (Buffer | null)[] {
  const slots = Array.from({ length: SLOT_COUNT }, (_, slot) => {
    const cursors = mailboxes.map((mailbox) => mailbox.cursors[slot])
    // As for most: nobody has a device there.
    if (cursors.every((cursor) => cursor === undefined)) return [null, null]
    return [
      smallintArray(cursors.map((cursor) => cursor?.deviceId ?? null)),
      bigintArray(cursors.map((cursor) => cursor?.ackedSeq ?? null)),
    ]
  })
  return [
    uuidArray(mailboxes.map((mailbox) => mailbox.accountId)),
    bigintArray(mailboxes.map((mailbox) => mailbox.headSeq)),
    bigintArray(mailboxes.map((mailbox) => mailbox.bytes)),
    ...slots.flat(),
  ]
}

const SENDER_COLUMNS: readonly Column[] = [
  ['session', 'bigint'],
  ['sent_no', 'bigint'],
  ['sent_tag', 'bigint'],
]

const updatePlacedSendersSql = `
  update mailbox.sender s
     set ${setForPlace('s', SENDER_COLUMNS, 4)}
   where ${isPlaced('s')}
     and s.account_id = ${forPlace('s', 2, 'uuid')} and s.device_id = ${forPlace('s', 3, 'smallint')}`

const updateSendersSql = `
  update mailbox.sender s
     set session = d.session, sent_no = d.sent_no, sent_tag = d.sent_tag
    from unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[])
      d(account_id, device_id, session, sent_no, sent_tag)
    cross join ${newestSender} newest
   where s.ctid = newest.ctid /* on Citus: and s.account_id = any($1::uuid[]) */`

function updateSenders(tx: Queries, draft: Draft): void {
  const senders = [...draft.changedSenders]
    .map((key) => draft.picture.senders.get(key))
    .filter((sender) => sender !== undefined)
  updateLocked(tx, senders, {
    kind: 'senders',
    placedSql: updatePlacedSendersSql,
    sql: updateSendersSql,
    arrays: senderArrays,
    accountOf: (sender) => sender.address.accountId,
  })
}

function senderArrays(senders: readonly Sender[]): Buffer[] {
  return [
    uuidArray(senders.map((sender) => sender.address.accountId)),
    smallintArray(senders.map((sender) => sender.address.deviceId)),
    bigintArray(senders.map((sender) => sender.session)),
    bigintArray(senders.map((sender) => sender.sentNo)),
    tagArray(senders.map((sender) => sender.sentTag)),
  ]
}

interface LockedRows<T> {
  readonly kind: string
  /** With the places before the arrays. */
  readonly placedSql: string
  readonly sql: string
  readonly arrays: (rows: readonly T[]) => (Buffer | null)[]
  readonly accountOf: (row: T) => AccountId
}

/** Writes locked rows, which leave their places by it. */
function updateLocked<T extends Placed>(
  tx: Queries,
  rows: readonly T[],
  { kind, placedSql, sql, arrays, accountOf }: LockedRows<T>,
): void {
  const { placed, others } = byPlace(rows)
  if (placed.length > 0) {
    const places = tidArray(placed.map((row) => row.ctid))
    tx.last({
      name: `update_placed_${kind}`,
      text: placedSql,
      values: [places, ...arrays(placed)],
    })
  }
  lastByShard(
    tx,
    others.map((row) => ({ row, accountId: accountOf(row) })),
    (group) => ({
      name: `update_${kind}`,
      text: sql,
      values: arrays(group.map(({ row }) => row)),
    }),
  )
  for (const row of rows) row.ctid = undefined
}

function setForPlace(row: string, columns: readonly Column[], first: number): string {
  return columns
    .map(([name, type], index) => `${name} = ${forPlace(row, first + index, type)}`)
    .join(', ')
}

// Each row of the arrays goes straight in: as a table, `from unnest(…)`, they are all put aside first.
const insertEntriesSql = `
  insert into mailbox.entry (account_id, seq, tag, slots, expires_at, sealed)
  select unnest($1::uuid[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::smallint[]),
         unnest($5::timestamptz[]), unnest($6::bytea[])`

function insertEntries(tx: Queries, { appended }: Draft): void {
  lastByShard(tx, appended, (group) => ({
    name: 'insert_entries',
    text: insertEntriesSql,
    values: [
      uuidArray(group.map((entry) => entry.accountId)),
      bigintArray(group.map((entry) => entry.seq)),
      tagArray(group.map((entry) => entry.tag)),
      smallintArray(group.map((entry) => entry.slots)),
      timestamptzArray(group.map((entry) => entry.expiresAtMs ?? Infinity)),
      byteaArray(group.map((entry) => entry.sealed)),
    ],
  }))
}

const removePlacedEntriesSql = `
  delete from mailbox.entry e
   where ${isPlaced('e')} and e.seq = ${forPlace('e', 2, 'bigint')}`

const removeEntriesSql = `
  delete from mailbox.entry e
   where e.ctid = any(array(
           select found.ctid
             from unnest($1::uuid[], $2::bigint[]) d(account_id, seq) cross join ${entryAt} found))
     /* on Citus: and e.account_id = any($1::uuid[]) */`

function removeEntries(tx: Queries, { removed }: Draft): void {
  const { placed, others } = byPlace(removed)
  if (placed.length > 0) {
    tx.last({
      name: 'remove_placed_entries',
      text: removePlacedEntriesSql,
      values: [tidArray(placed.map((row) => row.ctid)), bigintArray(placed.map((row) => row.seq))],
    })
  }
  lastByShard(tx, others, (group) => ({
    name: 'remove_entries',
    text: removeEntriesSql,
    values: [
      uuidArray(group.map((row) => row.accountId)),
      bigintArray(group.map((row) => row.seq)),
    ],
  }))
}

const changeSlotsSql = `
  update mailbox.entry e set slots = d.slots
    from unnest($1::uuid[], $2::bigint[], $3::smallint[]) d(account_id, seq, slots)
    cross join ${entryAt} found
   where e.ctid = found.ctid /* on Citus: and e.account_id = any($1::uuid[]) */`

function changeSlots(tx: Queries, { slotChanges }: Draft): void {
  lastByShard(tx, slotChanges, (group) => ({
    name: 'change_slots',
    text: changeSlotsSql,
    values: [
      uuidArray(group.map((row) => row.accountId)),
      bigintArray(group.map((row) => row.seq)),
      smallintArray(group.map((row) => row.slots)),
    ],
  }))
}

const raiseFloorsSql = `
  update mailbox.mailbox m
     set floor_seq = greatest(m.floor_seq, coalesce(
           (select e.seq - 1 from mailbox.entry e
             where e.account_id = m.account_id /* on Citus: and e.account_id = any($1::uuid[]) */
               and e.seq > greatest(m.floor_seq, coalesce(least(m.a1, m.a2, m.a3, m.a4, m.a5), 0))
             order by e.seq limit 1),
           m.head_seq))
    from unnest($1::uuid[]) d(account_id) cross join ${newestMailbox} newest
   where m.ctid = newest.ctid /* on Citus: and m.account_id = any($1::uuid[]) */`

/** Up to the first entry that is left, a mailbox is empty: what is counted by head and floor. */
function raiseFloors(tx: Queries, { emptied }: Draft): void {
  const mailboxes = [...emptied].sort().map((accountId) => ({ accountId }))
  lastByShard(tx, mailboxes, (group) => ({
    name: 'raise_floors',
    text: raiseFloorsSql,
    values: [uuidArray(group.map((mailbox) => mailbox.accountId))],
  }))
}
