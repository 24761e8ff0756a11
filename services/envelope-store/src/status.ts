// What became of sends whose second tick has not come: derived from what is there, not from stored
// receipts. A row that waits is waiting; what is gone was delivered, unless a notice says otherwise,
// and every other way out has left one in the asker's mailbox.
//
// The order of the three reads is the rule: sent_no first, so that a send counted as stored was
// there for the reading of the rows; the rows; then the asker's head, so that the notice of whatever
// the rows no longer show lies at or below it. Each is a statement with a snapshot of its own.
//
// On Citus what is committed may be prepared only, for a moment, in one of its shards. It still holds
// its locks there: so the recipient's row is locked before the reading of the rows, and the asker's
// with the reading of the head, and both reads come after.

import { type AccountId, type DeviceAddress, StatusState } from '@twotick/protocol'
import type { StatusItem } from '@twotick/protocol'
import type { GetStatusReply } from '@twotick/protocol/services'
import { tagArray } from './binary-array.ts'
import { entriesOfMailbox } from './entries-by-key.ts'
import { EPOCH_CHANGED, UNLINKED } from './outcome.ts'
import { type Database, withQueries } from './transaction.ts'

export const STATUS_ITEMS_MAX = 256

const sentNoSql = `
  select sent_no from mailbox.sender where account_id = $1::uuid and device_id = $2::smallint`

const waitingSql = `
  select int8send(e.tag) as tag
    from (select *, least(a1, a2, a3, a4, a5) as after_seq
            from mailbox.mailbox where account_id = $1::uuid) m
    cross join ${entriesOfMailbox} e
   where e.tag = any($2::bigint[])
     and e.slots <> 0
     and not coalesce(e.slots & 1 <> 0 and e.seq <= m.a1, false)
     and not coalesce(e.slots & 2 <> 0 and e.seq <= m.a2, false)
     and not coalesce(e.slots & 4 <> 0 and e.seq <= m.a3, false)
     and not coalesce(e.slots & 8 <> 0 and e.seq <= m.a4, false)
     and not coalesce(e.slots & 16 <> 0 and e.seq <= m.a5, false)`

const headSql = `
  select head_seq from mailbox.mailbox
   where account_id = $1::uuid and $2::smallint in (d1, d2, d3, d4, d5)
     /* on Citus: for share */`

const settleSql = `select from mailbox.mailbox where account_id = $1::uuid for share`

export interface StatusQuestion {
  readonly asker: DeviceAddress
  readonly recipientAccountId: AccountId
  readonly items: readonly StatusItem[]
}

/** Answers hold once the asker has drained its mailbox up to the head. Refused: UNLINKED. */
export async function getStatus(
  db: Database,
  { asker, recipientAccountId, items }: StatusQuestion,
  requestEpoch: string,
): Promise<GetStatusReply> {
  const address = [asker.accountId, asker.deviceId]
  const tags = tagArray(items.map((item) => item.tag))
  const { epoch, sentNo, waiting, headSeq } = await withQueries(db, async (queries) => {
    const [[sender], , rows, [own]] = await Promise.all([
      queries.rows<{ sent_no: number }>({ name: 'sent_no', text: sentNoSql, values: address }),
      queries.shards.isDistributed &&
        queries.rows({ name: 'settle', text: settleSql, values: [recipientAccountId] }),
      queries.rows<{ tag: Buffer }>({
        name: 'waiting',
        text: waitingSql,
        values: [recipientAccountId, tags],
      }),
      queries.rows<{ head_seq: number }>({ name: 'head', text: headSql, values: address }),
    ])
    const waiting = new Set(rows.map((row) => row.tag.toString('hex')))
    return { epoch: queries.epoch, sentNo: sender?.sent_no, waiting, headSeq: own?.head_seq }
  })
  if (requestEpoch !== epoch) {
    return { epoch, outcome: { $case: 'refusal', value: EPOCH_CHANGED } }
  }
  if (sentNo === undefined || headSeq === undefined) {
    return { epoch, outcome: { $case: 'refusal', value: UNLINKED } }
  }
  const stateOf = ({ no, tag }: StatusItem) => {
    if (waiting.has(Buffer.from(tag).toString('hex'))) return StatusState.WAITING
    return no <= sentNo ? StatusState.DELIVERED : StatusState.UNKNOWN
  }
  const answers = items.map((item) => ({ no: item.no, state: stateOf(item) }))
  return { epoch, outcome: { $case: 'found', value: { answers, askerHeadSeq: headSeq } } }
}
