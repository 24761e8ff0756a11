// Expiry: the entries whose time is over leave, by one clock, the database's. It goes by mailboxes
// in account order, those with something above their cursors, in bounded steps: any number of
// replicas may do it at once. (No index on expires_at: each insert would pay for it.)

import { isAccountId, type AccountId, NoticeKind } from '@twotick/protocol'
import type { ExpireReply, ExpireRequest } from '@twotick/protocol/services'
import { createDraft, rowsOf } from './draft.ts'
import { entriesOfMailbox } from './entries-by-key.ts'
import { removeEntry } from './leave.ts'
import { readSeqs } from './entry-rows.ts'
import { lock } from './locks.ts'
import { writeNotices } from './notice.ts'
import { EPOCH_CHANGED } from './outcome.ts'
import { persist } from './persist.ts'
import type { Resources } from './resources.ts'
import { openSealed } from './sealed-rows.ts'
import type { SealedRow } from './stored-entry.ts'
import { traceExpired } from './traces.ts'
import { type Database, transact, withQueries } from './transaction.ts'

const MAILBOXES_MAX = 1_000
const ENTRIES_MAX = 500
const BEFORE_FIRST = '00000000-0000-0000-0000-000000000000' as AccountId

const pageSql = `
  select account_id from mailbox.mailbox
   where account_id > $1::uuid order by account_id limit $2::int`

// What is delivered needs no notice, so nobody needs to know whose it was.
const expiredSql = `
  select e.account_id, e.seq, int8send(e.tag) as tag,
         case when e.slots = 0
            or coalesce(e.slots & 1 <> 0 and e.seq <= m.a1, false)
            or coalesce(e.slots & 2 <> 0 and e.seq <= m.a2, false)
            or coalesce(e.slots & 4 <> 0 and e.seq <= m.a3, false)
            or coalesce(e.slots & 8 <> 0 and e.seq <= m.a4, false)
            or coalesce(e.slots & 16 <> 0 and e.seq <= m.a5, false)
           then null else e.sealed end as sealed
    from (select account_id, a1, a2, a3, a4, a5, head_seq,
                 greatest(floor_seq, least(a1, a2, a3, a4, a5)) as after_seq
            from mailbox.mailbox
           where account_id > $1::uuid order by account_id limit $2::int) m
    cross join ${entriesOfMailbox} e
   where m.head_seq > m.after_seq and e.expires_at <= now()
   order by e.account_id, e.seq
   limit $3::int`

/** Removes what has expired from the next mailboxes, and tells where to go on. */
export async function expire(deps: Resources, request: ExpireRequest): Promise<ExpireReply> {
  const found = await find(deps.db, request)
  const { epoch } = found
  if (request.epoch !== epoch) {
    return { epoch, nextAccountId: '', expired: 0, noticed: 0, refusal: EPOCH_CHANGED }
  }
  const { nextAccountId, rows } = found
  const { expired, noticed } = await remove(deps, rows, epoch)
  return { epoch, nextAccountId, expired, noticed, refusal: undefined }
}

type ExpiredRow = Omit<SealedRow, 'sealed'> & { sealed: Uint8Array | null }

/** Looks without locks. */
async function find(db: Database, request: ExpireRequest) {
  const { afterAccountId } = request
  const after = isAccountId(afterAccountId) ? afterAccountId : BEFORE_FIRST
  const mailboxesMax = Math.min(Math.max(request.mailboxesMax, 1), MAILBOXES_MAX)
  const entriesMax = Math.min(Math.max(request.entriesMax, 1), ENTRIES_MAX)
  const { epoch, page, rows } = await withQueries(db, async (queries) => {
    const [page, rows] = await Promise.all([
      queries.rows<{ account_id: AccountId }>({
        name: 'expire_page',
        text: pageSql,
        values: [after, mailboxesMax],
      }),
      queries.rows<ExpiredRow>({
        name: 'expired',
        text: expiredSql,
        values: [after, mailboxesMax, entriesMax],
      }),
    ])
    return { epoch: queries.epoch, page: page.map((row) => row.account_id), rows }
  })
  const last = rows.at(-1)?.account_id
  if (rows.length === entriesMax && last !== undefined) {
    // There may be more in the last mailbox: it comes first the next time.
    const nextAccountId = page.findLast((accountId) => accountId < last) ?? after
    return { epoch, rows, nextAccountId }
  }
  const nextAccountId = page.length === mailboxesMax ? (page.at(-1) ?? '') : ''
  return { epoch, rows, nextAccountId }
}

async function remove(deps: Resources, found: readonly ExpiredRow[], foundEpoch: string) {
  if (found.length === 0) return { expired: 0, noticed: 0 }
  const sealed = found.filter((row): row is SealedRow => row.sealed !== null)
  const messages = openSealed(deps.sealer, sealed)
  const accountIds = new Set(found.map((row) => row.account_id)).union(messages.senderAccountIds)
  const done = await transact(deps.db, async (tx) => {
    const picture = await lock(tx, accountIds)
    const draft = createDraft(picture)
    if (tx.epoch !== foundEpoch) return { draft, epoch: tx.epoch, noticed: 0 }
    const rows = found.map((row) => ({ accountId: row.account_id, seq: row.seq }))
    await readSeqs(tx, picture, rows)
    const leaving = { draft, messages, notices: new Map() }
    for (const mailbox of picture.mailboxes.values()) {
      for (const row of rowsOf(picture, mailbox.accountId)) {
        removeEntry(leaving, mailbox, row, NoticeKind.EXPIRED)
      }
    }
    const noticed = writeNotices(draft, leaving.notices, deps.sealer.seal)
    persist(tx, draft)
    return { draft, epoch: tx.epoch, noticed }
  })
  deps.ring(done.epoch, done.draft)
  traceExpired(
    done.draft.removed.flatMap(({ accountId, seq }) => messages.get(accountId, seq)?.trace ?? []),
  )
  return { expired: done.draft.removed.length, noticed: done.noticed }
}
