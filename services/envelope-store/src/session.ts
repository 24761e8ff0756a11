// Opening a session: the device's number goes up under the lock of its sender row, and where it
// stands is read there. From then on whatever an older session still has under way is refused, so
// that what the device is told here stays true.

import { type DeviceAddress } from '@twotick/protocol'
import type { OpenSessionReply, SessionOpened } from '@twotick/protocol/services'
import { type MailboxRow, toMailbox } from './locks.ts'
import { cursorOf } from './mailbox.ts'
import { EPOCH_CHANGED, UNLINKED } from './outcome.ts'
import { type Database, type Queries, transact } from './transaction.ts'

const openSql = `
  update mailbox.sender set session = session + 1
   where account_id = $1::uuid and device_id = $2::smallint
  returning session, sent_no, int8send(sent_tag) as sent_tag`

export const mailboxSql = `
  select account_id, head_seq, floor_seq, bytes, d1, a1, d2, a2, d3, a3, d4, a4, d5, a5
    from mailbox.mailbox where account_id = $1::uuid`

/** Opens a session. Refused: UNLINKED; EPOCH_CHANGED if the request names another epoch. */
export function openSession(
  db: Database,
  device: DeviceAddress,
  epoch: string,
): Promise<OpenSessionReply> {
  return transact(db, async (tx) => {
    if (epoch !== '' && epoch !== tx.epoch) {
      return { epoch: tx.epoch, outcome: { $case: 'refusal', value: EPOCH_CHANGED } }
    }
    // The cursor is read after the lock: unlinking takes it away under the same lock.
    const opened = await open(tx, device)
    return opened === undefined
      ? { epoch: tx.epoch, outcome: { $case: 'refusal', value: UNLINKED } }
      : { epoch: tx.epoch, outcome: { $case: 'opened', value: opened } }
  })
}

async function open(tx: Queries, device: DeviceAddress): Promise<SessionOpened | undefined> {
  const { accountId, deviceId } = device
  const [[sender], [row]] = await Promise.all([
    tx.rows<{ session: number; sent_no: number; sent_tag: Uint8Array }>({
      name: 'open_session',
      text: openSql,
      values: [accountId, deviceId],
    }),
    tx.rows<MailboxRow>({ name: 'read_mailbox', text: mailboxSql, values: [accountId] }),
  ])
  if (sender === undefined || row === undefined) return undefined
  const cursor = cursorOf(toMailbox(row), deviceId)
  if (cursor === undefined) return undefined
  return {
    session: sender.session,
    sentNo: sender.sent_no,
    sentTag: sender.sent_tag,
    ackedSeq: cursor.ackedSeq,
    headSeq: row.head_seq,
  }
}
