// How much waits, for the metrics: entries that no device has which they are for. Looked at without
// locks and without an index, as expiry does, mailbox by mailbox; whoever asks goes round at leisure.

import { type AccountId, isAccountId } from '@twotick/protocol'
import type { CountWaitingReply, CountWaitingRequest } from '@twotick/protocol/services'
import { entriesOfMailbox } from './entries-by-key.ts'
import { EPOCH_CHANGED } from './outcome.ts'
import type { Sealer } from './sealed.ts'
import { type SealedRow, toStoredEntry } from './stored-entry.ts'
import { type Database, type Queries, withQueries } from './transaction.ts'

const MAILBOXES_MAX = 1_000
const BEFORE_FIRST = '00000000-0000-0000-0000-000000000000' as AccountId

const pageSql = `
  select account_id from mailbox.mailbox
   where account_id > $1::uuid order by account_id limit $2::int`

const waitingSql = `
  select e.account_id, count(*) as entries, min(e.expires_at) as expires_at
    from (select account_id, a1, a2, a3, a4, a5, head_seq,
                 greatest(floor_seq, least(a1, a2, a3, a4, a5)) as after_seq
            from mailbox.mailbox
           where account_id > $1::uuid order by account_id limit $2::int) m
    cross join ${entriesOfMailbox} e
   where m.head_seq > m.after_seq and e.slots <> 0
     and not (coalesce(e.slots & 1 <> 0 and e.seq <= m.a1, false)
           or coalesce(e.slots & 2 <> 0 and e.seq <= m.a2, false)
           or coalesce(e.slots & 4 <> 0 and e.seq <= m.a3, false)
           or coalesce(e.slots & 8 <> 0 and e.seq <= m.a4, false)
           or coalesce(e.slots & 16 <> 0 and e.seq <= m.a5, false))
   group by e.account_id`

const oldestSql = `
  select account_id, seq, int8send(tag) as tag, sealed, expires_at, now() as now
    from mailbox.entry
   where account_id = $1::uuid and slots <> 0 and expires_at >= $2::timestamptz
     and expires_at < $2::timestamptz + interval '1 millisecond'
   order by seq limit 1`

/** Counts in the next mailboxes, and tells where to go on. Refused: EPOCH_CHANGED. */
export async function countWaiting(
  { db, sealer }: { db: Database; sealer: Sealer },
  { epoch: requestEpoch, afterAccountId, mailboxesMax }: CountWaitingRequest,
): Promise<CountWaitingReply> {
  const after = isAccountId(afterAccountId) ? afterAccountId : BEFORE_FIRST
  const most = Math.min(Math.max(mailboxesMax, 1), MAILBOXES_MAX)
  return withQueries(db, async (queries) => {
    const { epoch } = queries
    const nothing = { epoch, nextAccountId: '', entries: 0, oldestAgeMs: 0 }
    if (requestEpoch !== epoch) return { ...nothing, refusal: EPOCH_CHANGED }
    const values = [after, most]
    const [page, waiting] = await Promise.all([
      queries.rows<{ account_id: AccountId }>({ name: 'waiting_page', text: pageSql, values }),
      queries.rows<Waiting>({ name: 'waiting_entries', text: waitingSql, values }),
    ])
    return {
      epoch,
      nextAccountId: page.length === most ? (page.at(-1)?.account_id ?? '') : '',
      entries: waiting.reduce((sum, { entries }) => sum + entries, 0),
      oldestAgeMs: await ageOfOldest(queries, sealer, waiting),
      refusal: undefined,
    }
  })
}

interface Waiting {
  readonly account_id: AccountId
  readonly entries: number
  readonly expires_at: Date
}

/** When it was accepted is sealed: of one entry it is read. */
async function ageOfOldest(queries: Queries, sealer: Sealer, waiting: readonly Waiting[]) {
  const [first, ...rest] = waiting
  if (first === undefined) return 0
  const oldest = rest.reduce((a, b) => (b.expires_at < a.expires_at ? b : a), first)
  const [row] = await queries.rows<SealedRow & { expires_at: Date; now: Date }>({
    name: 'waiting_oldest',
    text: oldestSql,
    values: [oldest.account_id, oldest.expires_at],
  })
  if (row === undefined) return 0
  const content = sealer.open(row.account_id, row.tag, row.sealed)
  const { acceptedAtMs } = toStoredEntry(row.seq, row.expires_at.getTime(), content)
  return Math.max(0, row.now.getTime() - acceptedAtMs)
}
