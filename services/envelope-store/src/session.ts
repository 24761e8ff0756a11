// Opening a session: the device's number goes up under the lock of its sender row, and where it
// stands is read there. From then on whatever an older session still has under way is refused, so
// that what the device is told here stays true. The number goes up from what the caller has read, and
// from nothing else: an opening that was given up may be carried out at any time, behind that of a
// live session, and must not take its place. (A gateway of an older release, in an upgrade, has not
// read it and does not say: for it the number just goes up.)

import { type DeviceAddress } from '@twotick/protocol'
import type { OpenSessionReply, SessionOpened } from '@twotick/protocol/services'
import { type MailboxRow, toMailbox } from './locks.ts'
import { cursorOf } from './mailbox.ts'
import { EPOCH_CHANGED, UNLINKED } from './outcome.ts'
import { type Database, type Queries, transact } from './transaction.ts'

const openSql = `
  update mailbox.sender set session = session + 1
   where account_id = $1::uuid and device_id = $2::smallint
     and ($3::bigint is null or session = $3::bigint)
  returning session, sent_no, int8send(sent_tag) as sent_tag`

const newestSql = `
  select session from mailbox.sender where account_id = $1::uuid and device_id = $2::smallint`

export const mailboxSql = `
  select account_id, head_seq, floor_seq, bytes, d1, a1, d2, a2, d3, a3, d4, a4, d5, a5
    from mailbox.mailbox where account_id = $1::uuid`

type Outcome = NonNullable<OpenSessionReply['outcome']>

export interface Opening {
  readonly epoch: string
  readonly device: DeviceAddress
  /** The newest session that there was when the caller looked; older gateways do not say. */
  readonly afterSession: number | undefined
}

/**
 * Opens a session, unless the newest one is not the one that was expected; then says which it is.
 * Refused: UNLINKED; EPOCH_CHANGED if the request names another epoch.
 */
export function openSession(db: Database, opening: Opening): Promise<OpenSessionReply> {
  return transact(db, async (tx) => {
    const { epoch } = tx
    if (opening.epoch !== '' && opening.epoch !== epoch) {
      return { epoch, outcome: { $case: 'refusal', value: EPOCH_CHANGED } }
    }
    return { epoch, outcome: await open(tx, opening) }
  })
}

async function open(tx: Queries, { device, afterSession }: Opening): Promise<Outcome> {
  const { accountId, deviceId } = device
  // The cursor is read after the lock: unlinking takes it away under the same lock.
  const [[sender], [row]] = await Promise.all([
    tx.rows<{ session: number; sent_no: number; sent_tag: Uint8Array }>({
      name: 'open_session',
      text: openSql,
      values: [accountId, deviceId, afterSession ?? null],
    }),
    tx.rows<MailboxRow>({ name: 'read_mailbox', text: mailboxSql, values: [accountId] }),
  ])
  const cursor = row === undefined ? undefined : cursorOf(toMailbox(row), deviceId)
  if (row === undefined || cursor === undefined) return { $case: 'refusal', value: UNLINKED }
  if (sender === undefined) return whichIsNewest(tx, device)
  const opened: SessionOpened = {
    session: sender.session,
    sentNo: sender.sent_no,
    sentTag: sender.sent_tag,
    ackedSeq: cursor.ackedSeq,
    headSeq: row.head_seq,
  }
  return { $case: 'opened', value: opened }
}

async function whichIsNewest(tx: Queries, device: DeviceAddress): Promise<Outcome> {
  const [newest] = await tx.rows<{ session: number }>({
    name: 'newest_session',
    text: newestSql,
    values: [device.accountId, device.deviceId],
  })
  if (newest === undefined) return { $case: 'refusal', value: UNLINKED }
  return { $case: 'newestSession', value: newest.session }
}
