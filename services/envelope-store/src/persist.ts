// Writes what a draft says, in as few statements as there are kinds of change (on
// Citus: for each shard). Everything written
// here is locked, so values are set, not computed: the picture is what the row will be.

import { bigintArray, byteaArray, smallintArray, tagArray, uuidArray } from './binary-array.ts'
import type { Draft } from './draft.ts'
import { entryAt } from './entries-by-key.ts'
import { SLOT_COUNT } from './mailbox.ts'
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
  lastByShard(tx, mailboxes, (group) => {
    const slots = Array.from({ length: SLOT_COUNT }, (_, slot) => [
      smallintArray(group.map((mailbox) => mailbox.cursors[slot]?.deviceId ?? null)),
      bigintArray(group.map((mailbox) => mailbox.cursors[slot]?.ackedSeq ?? null)),
    ])
    return {
      name: 'update_mailboxes',
      text: updateMailboxesSql,
      values: [
        uuidArray(group.map((mailbox) => mailbox.accountId)),
        bigintArray(group.map((mailbox) => mailbox.headSeq)),
        bigintArray(group.map((mailbox) => mailbox.bytes)),
        ...slots.flat(),
      ],
    }
  })
}

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
    .map((sender) => ({ ...sender, ...sender.address }))
  lastByShard(tx, senders, (group) => ({
    name: 'update_senders',
    text: updateSendersSql,
    values: [
      uuidArray(group.map((sender) => sender.accountId)),
      smallintArray(group.map((sender) => sender.deviceId)),
      bigintArray(group.map((sender) => sender.session)),
      bigintArray(group.map((sender) => sender.sentNo)),
      tagArray(group.map((sender) => sender.sentTag)),
    ],
  }))
}

const insertEntriesSql = `
  insert into mailbox.entry (account_id, seq, tag, slots, expires_at, sealed)
  select d.account_id, d.seq, d.tag, d.slots,
         coalesce(timestamptz 'epoch' + d.expires_at_ms * interval '1 millisecond', 'infinity'),
         d.sealed
    from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bytea[])
      d(account_id, seq, tag, slots, expires_at_ms, sealed)`

function insertEntries(tx: Queries, { appended }: Draft): void {
  lastByShard(tx, appended, (group) => ({
    name: 'insert_entries',
    text: insertEntriesSql,
    values: [
      uuidArray(group.map((entry) => entry.accountId)),
      bigintArray(group.map((entry) => entry.seq)),
      tagArray(group.map((entry) => entry.tag)),
      smallintArray(group.map((entry) => entry.slots)),
      bigintArray(group.map((entry) => entry.expiresAtMs ?? null)),
      byteaArray(group.map((entry) => entry.sealed)),
    ],
  }))
}

const removeEntriesSql = `
  delete from mailbox.entry e
   where e.ctid = any(array(
           select found.ctid
             from unnest($1::uuid[], $2::bigint[]) d(account_id, seq) cross join ${entryAt} found))
     /* on Citus: and e.account_id = any($1::uuid[]) */`

function removeEntries(tx: Queries, { removed }: Draft): void {
  lastByShard(tx, removed, (group) => ({
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
