// Deleting an account's mailbox, in bounded steps: its entries leave, with notices to the senders of
// what nobody received. The account's own notices and the mailbox row go with the last step, so that
// what a device of it concludes from its mailbox is right until there is none. Sender rows stay.

import { type AccountId, NoticeKind } from '@twotick/protocol'
import type { ChangeReply } from '@twotick/protocol/services'
import { createDraft, rowsOf } from './draft.ts'
import type { Resources } from './resources.ts'
import { removeEntry } from './leave.ts'
import { readSeqs } from './entry-rows.ts'
import { lock } from './locks.ts'
import { writeNotices } from './notice.ts'
import { EPOCH_CHANGED } from './outcome.ts'
import { persist } from './persist.ts'
import { openSealed } from './sealed-rows.ts'
import type { SealedRow } from './stored-entry.ts'
import { type Queries, transact, withQueries } from './transaction.ts'

const STEP_ENTRIES = 200

const findSql = `
  select account_id, seq, int8send(tag) as tag, sealed
    from mailbox.entry
   where account_id = $1::uuid and expires_at <> 'infinity'
   order by seq limit $2::int`

/** One step; `done` once there is no mailbox. Repeated, changes nothing. */
export async function deleteMailbox(
  deps: Resources,
  accountId: AccountId,
  requestEpoch: string,
): Promise<ChangeReply> {
  const found = await withQueries(deps.db, async (queries) =>
    queries.epoch === requestEpoch
      ? queries.rows<SealedRow>({ text: findSql, values: [accountId, STEP_ENTRIES] })
      : queries.epoch,
  )
  if (typeof found === 'string') return { epoch: found, done: false, refusal: EPOCH_CHANGED }
  const messages = openSealed(deps.sealer, found)
  const accountIds = new Set([accountId]).union(messages.senderAccountIds)
  const { epoch, done, draft } = await transact(deps.db, async (tx) => {
    if (tx.epoch !== requestEpoch) return { epoch: tx.epoch, done: undefined, draft: undefined }
    const picture = await lock(tx, accountIds)
    const mailbox = picture.mailboxes.get(accountId)
    const draft = createDraft(picture)
    if (mailbox === undefined) return { epoch: tx.epoch, done: true, draft }
    const rows = found.map(({ seq }) => ({ accountId, seq }))
    await readSeqs(tx, picture, rows)
    const leaving = { draft, messages, notices: new Map() }
    for (const row of rowsOf(picture, accountId)) {
      removeEntry(leaving, mailbox, row, NoticeKind.UNDELIVERABLE)
    }
    writeNotices(draft, leaving.notices, deps.sealer.seal)
    persist(tx, draft)
    return { epoch: tx.epoch, done: await finish(tx, accountId), draft }
  })
  if (draft !== undefined) deps.ring(epoch, draft)
  return { epoch, done: done ?? false, refusal: done === undefined ? EPOCH_CHANGED : undefined }
}

const endSessionsSql = `
  with locked as (
    select account_id, device_id from mailbox.sender
     where account_id = $1::uuid order by device_id for update
  )
  update mailbox.sender s set session = session + 1
    from locked l where s.account_id = l.account_id and s.device_id = l.device_id`

/** The last step, if nothing but notices is left. */
async function finish(tx: Queries, accountId: AccountId): Promise<boolean> {
  const left = await tx.rows({ text: findSql, values: [accountId, 1] })
  if (left.length > 0) return false
  const values = [accountId]
  await tx.rows({ text: endSessionsSql, values })
  await tx.rows({ text: 'delete from mailbox.entry where account_id = $1::uuid', values })
  await tx.rows({ text: 'delete from mailbox.mailbox where account_id = $1::uuid', values })
  return true
}
