// The admin check: what nobody waits for must not be there. Each of these counts is 0 on a healthy
// store, at any moment: transactions keep it so, and this reads in one snapshot.

import type { Pool } from 'pg'

export interface Orphans {
  /** Entries that every device has, or that no device is left to have. */
  readonly doneEntries: number
  /** Entries of accounts without a mailbox. */
  readonly strayEntries: number
  /** Entries whose slots name a slot without a cursor. */
  readonly looseSlots: number
  /** Entries beyond the head, or at or below the floor of their mailbox. */
  readonly misplacedEntries: number
  /** Mailboxes whose bytes are not those of their entries. */
  readonly wrongBytes: number
  /** Cursors without a sender row. */
  readonly cursorsWithoutSender: number
}

const orphansSql = `
  with entries as (
    select e.account_id, e.seq, e.slots, octet_length(e.sealed) as bytes,
           m.account_id is null as is_stray, m.head_seq, m.floor_seq,
           least(m.a1, m.a2, m.a3, m.a4, m.a5) as acked_seq,
           (case when m.d1 is null then 0 else 1 end) | (case when m.d2 is null then 0 else 2 end)
             | (case when m.d3 is null then 0 else 4 end) | (case when m.d4 is null then 0 else 8 end)
             | (case when m.d5 is null then 0 else 16 end) as taken
      from mailbox.entry e left join mailbox.mailbox m using (account_id)
  ), cursors as (
    select account_id, d as device_id
      from mailbox.mailbox, unnest(array[d1, d2, d3, d4, d5]) d where d is not null
  )
  select (select count(*)::int from entries
           where not is_stray and (acked_seq is null or seq <= acked_seq)) as "doneEntries",
         (select count(*)::int from entries where is_stray) as "strayEntries",
         (select count(*)::int from entries where not is_stray and slots & ~taken <> 0) as "looseSlots",
         (select count(*)::int from entries
           where seq > head_seq or seq <= floor_seq) as "misplacedEntries",
         (select count(*)::int from mailbox.mailbox m
           where bytes <> (select coalesce(sum(octet_length(sealed)), 0) from mailbox.entry e
                            where e.account_id = m.account_id)) as "wrongBytes",
         (select count(*)::int from cursors
           where not exists (select from mailbox.sender s
                              where s.account_id = cursors.account_id
                                and s.device_id = cursors.device_id)) as "cursorsWithoutSender"`

/** Counts what nobody waits for. Reads every entry: not for a busy hour. */
export async function findOrphans(db: Pool): Promise<Orphans> {
  const { rows } = await db.query<Orphans>(orphansSql)
  const [counts] = rows
  if (counts === undefined) throw new Error('a query of counts has one row')
  return counts
}
