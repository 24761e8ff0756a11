// Unlinking at the store, in bounded steps; the directory lists the device no more by now. What the
// device had becomes nobody's, elsewhere its bit leaves the entries' slots. The cursor goes with the
// last of them, and with it the session's number up, so that nothing under way is still accepted;
// only then is the slot free for another device.

import { addressKey, type DeviceAddress } from '@twotick/protocol'
import type { ChangeReply } from '@twotick/protocol/services'
import { createDraft, type Draft, type Picture } from './draft.ts'
import type { Resources } from './resources.ts'
import { dropCursor, takeSlot } from './leave.ts'
import { readRanges, readSeqs } from './entry-rows.ts'
import { lock, type MailboxRow, toMailbox } from './locks.ts'
import { bitOf, cursorOf, type Mailbox, minAckedSeq, slotOf } from './mailbox.ts'
import { writeNotices } from './notice.ts'
import { EPOCH_CHANGED } from './outcome.ts'
import { persist } from './persist.ts'
import { openSealed } from './sealed-rows.ts'
import { mailboxSql } from './session.ts'
import type { SealedRow } from './stored-entry.ts'
import { type Queries, transact, withQueries } from './transaction.ts'

const STEP_ENTRIES = 200

/** One step; `done` once the device has no cursor. Repeated, changes nothing. */
export async function removeDevice(
  deps: Resources,
  device: DeviceAddress,
  requestEpoch: string,
): Promise<ChangeReply> {
  const found = await withQueries(deps.db, async (queries) =>
    queries.epoch === requestEpoch ? find(queries, device) : queries.epoch,
  )
  if (typeof found === 'string') return { epoch: found, done: false, refusal: EPOCH_CHANGED }
  const messages = openSealed(
    deps.sealer,
    found.filter((row): row is SealedRow => row.sealed !== null),
  )
  const accountIds = new Set([device.accountId]).union(messages.senderAccountIds)
  const step = await transact(deps.db, async (tx) => {
    if (tx.epoch !== requestEpoch) return { epoch: tx.epoch, drafts: [], done: undefined }
    const picture = await lock(tx, accountIds, new Map([[addressKey(device), device]]))
    const mailbox = picture.mailboxes.get(device.accountId)
    const slot = mailbox === undefined ? -1 : slotOf(mailbox, device.deviceId)
    if (mailbox === undefined || slot === -1) {
      const values = [device.accountId, device.deviceId]
      await tx.rows({ text: tombstoneSql, values })
      // A CreateMailbox that was under way has been waited for: then there is a cursor after all.
      const appeared = await tx.rows({ text: cursorSql, values })
      return { epoch: tx.epoch, drafts: [], done: appeared.length === 0 }
    }
    const rows = found.map(({ seq }) => ({ accountId: device.accountId, seq }))
    await readSeqs(tx, picture, rows)
    const draft = createDraft(picture)
    const leaving = { draft, messages, notices: new Map() }
    takeSlot(leaving, mailbox, slot)
    writeNotices(draft, leaving.notices, deps.sealer.seal)
    persist(tx, draft)
    const last = found.length < STEP_ENTRIES && (await finish(tx, picture, { mailbox, device }))
    return { epoch: tx.epoch, drafts: last ? [draft, last] : [draft], done: Boolean(last) }
  })
  for (const draft of step.drafts) deps.ring(step.epoch, draft)
  const { epoch, done } = step
  return { epoch, done: done ?? false, refusal: done === undefined ? EPOCH_CHANGED : undefined }
}

const findSql = `
  select e.account_id, e.seq, int8send(e.tag) as tag,
         case when e.slots & $2::int <> 0 and e.seq > $3::bigint then e.sealed end as sealed
    from mailbox.entry e
   where e.account_id = $1::uuid and e.seq > $4::bigint and e.expires_at <> 'infinity'
     and (e.slots & $2::int <> 0 or e.seq <= $5::bigint)
   order by e.seq
   limit $6::int`

// A device that never had a cursor gets none later either, from an AddDevice that is still under way.
const tombstoneSql = `
  insert into mailbox.sender (account_id, device_id, session) values ($1::uuid, $2::smallint, 1)
  on conflict do nothing`

const cursorSql = `
  select account_id from mailbox.mailbox
   where account_id = $1::uuid and $2::smallint in (d1, d2, d3, d4, d5)`

/** Looks without locks for entries that hold the slot, or that only this device keeps. */
async function find(queries: Queries, device: DeviceAddress) {
  const { accountId, deviceId } = device
  const statement = { name: 'read_mailbox', text: mailboxSql, values: [accountId] }
  const [row] = await queries.rows<MailboxRow>(statement)
  const mailbox = row && toMailbox(row)
  const cursor = mailbox && cursorOf(mailbox, deviceId)
  if (mailbox === undefined || cursor === undefined) return []
  const slot = slotOf(mailbox, deviceId)
  return queries.rows<Omit<SealedRow, 'sealed'> & { sealed: Uint8Array | null }>({
    name: 'entries_of_slot',
    text: findSql,
    values: [
      accountId,
      bitOf(slot),
      cursor.ackedSeq,
      minAckedSeq(mailbox),
      minAckedSeq(mailbox, slot),
      STEP_ENTRIES,
    ],
  })
}

const isHeldSql = `
  select seq from mailbox.entry
   where account_id = $1::uuid and seq > $2::bigint and slots & $3::int <> 0 limit 1`

/** The last step, if no entry holds the slot any more: the cursor goes, the session is over. */
async function finish(
  tx: Queries,
  picture: Picture,
  { mailbox, device }: { mailbox: Mailbox; device: DeviceAddress },
): Promise<Draft | undefined> {
  const { accountId } = mailbox
  const slot = slotOf(mailbox, device.deviceId)
  const afterSeq = minAckedSeq(mailbox)
  const held = await tx.rows({ text: isHeldSql, values: [accountId, afterSeq, bitOf(slot)] })
  if (held.length > 0) return undefined
  const lastSeq = minAckedSeq(mailbox, slot)
  await readRanges(tx, picture, [{ accountId, afterSeq, lastSeq }])
  const draft = createDraft(picture)
  dropCursor(draft, mailbox, slot)
  const sender = picture.senders.get(addressKey(device))
  if (sender !== undefined) {
    sender.session += 1
    draft.changedSenders.add(addressKey(device))
  }
  persist(tx, draft)
  return draft
}
