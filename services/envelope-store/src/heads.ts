// Where devices stand, for the gateways' reconciliation and before a session is opened: one statement
// (on Citus: for each shard), no locks.

import { addressKey, type DeviceAddress } from '@twotick/protocol'
import type { GetHeadsReply, Head } from '@twotick/protocol/services'
import { smallintArray, uuidArray } from './binary-array.ts'
import { newestMailbox, newestSender } from './newest.ts'
import { EPOCH_CHANGED } from './outcome.ts'
import { type Database, rowsByShard, withQueries } from './transaction.ts'

export const HEADS_MAX = 1_000

const headsSql = `
  select d.account_id, d.device_id, m.head_seq, s.session,
         case d.device_id when m.d1 then m.a1 when m.d2 then m.a2 when m.d3 then m.a3
                          when m.d4 then m.a4 when m.d5 then m.a5 end as acked_seq
    from unnest($1::uuid[], $2::smallint[]) d(account_id, device_id)
    cross join ${newestMailbox} m cross join ${newestSender} s`

interface HeadRow {
  account_id: string
  device_id: number
  head_seq: number
  acked_seq: number | null
  session: number
}

const NO_HEAD: Head = { hasCursor: false, headSeq: 0, ackedSeq: 0, session: 0 }

/** One head for each device, in their order. Refused: EPOCH_CHANGED, if the request names another one. */
export async function getHeads(
  db: Database,
  devices: readonly DeviceAddress[],
  requestEpoch: string,
): Promise<GetHeadsReply> {
  const { epoch, rows } = await withQueries(db, async (queries) => ({
    epoch: queries.epoch,
    rows: await rowsByShard<HeadRow, DeviceAddress>(queries, devices, (group) => ({
      name: 'heads',
      text: headsSql,
      values: [
        uuidArray(group.map((device) => device.accountId)),
        smallintArray(group.map((device) => device.deviceId)),
      ],
    })),
  }))
  if (requestEpoch !== '' && requestEpoch !== epoch)
    return { epoch, heads: [], refusal: EPOCH_CHANGED }
  const heads = new Map(rows.map((row) => [keyOf(row), toHead(row)]))
  return {
    epoch,
    heads: devices.map((device) => heads.get(addressKey(device)) ?? NO_HEAD),
    refusal: undefined,
  }
}

function keyOf(row: HeadRow): string {
  return addressKey({ accountId: row.account_id, deviceId: row.device_id })
}

function toHead({ head_seq: headSeq, acked_seq: ackedSeq, session }: HeadRow): Head {
  return { hasCursor: ackedSeq !== null, headSeq, ackedSeq: ackedSeq ?? 0, session }
}
