// What a device has not got yet: the rows above its position, with the head and its cursor, in one
// snapshot. Above a cursor an entry leaves only in ways that the device is told of, so a hole in
// what is fetched is what it has missed; nothing is stored to be able to say that.

import { type DeviceAddress } from '@twotick/protocol'
import type { FetchReply, FetchRequest } from '@twotick/protocol/services'
import { EPOCH_CHANGED, UNLINKED } from './outcome.ts'
import type { Sealer } from './sealed.ts'
import { forDevice, toStoredEntry } from './stored-entry.ts'
import { type Database, withQueries } from './transaction.ts'

const ENTRIES_MAX = 1_000
const BYTES_MAX = 4 * 1_048_576

// One row more than asked for says whether there is more. Lengths are summed before anything that is
// out of line is read.
const fetchSql = `
  with m as (
    select account_id, head_seq,
           case $2::smallint when d1 then a1 when d2 then a2 when d3 then a3
                             when d4 then a4 when d5 then a5 end as acked_seq
      from mailbox.mailbox where account_id >= $1::uuid and account_id <= $1::uuid
     /* on Citus: and account_id = $1::uuid */
     order by account_id desc limit 1 -- its newest version first: newest.ts
  )
  select m.head_seq, m.acked_seq, e.seq, e.tag, e.expires_at_ms, e.sealed, e.found
    from m
    left join lateral (
      select r.*, row_number() over above as number, count(*) over () as found,
             sum(octet_length(r.sealed)) over above as summed
        from (
          select seq, int8send(tag) as tag, sealed,
                 case when expires_at <> 'infinity'
                   then (extract(epoch from expires_at) * 1000)::bigint end as expires_at_ms
            from mailbox.entry
           where account_id = $1::uuid and seq > greatest($3::bigint, m.acked_seq)
           order by seq
           limit $4::int + 1
        ) r
      window above as (order by r.seq rows unbounded preceding)
    ) e on e.number = 1 or e.summed <= $5::bigint
   order by e.seq`

interface FetchedRow {
  head_seq: number
  acked_seq: number | null
  seq: number | null
  tag: Uint8Array
  expires_at_ms: number | null
  sealed: Uint8Array
  found: number
}

/** Entries above `afterSeq`, or above the cursor if that is further. Refused: UNLINKED. */
export async function fetchEntries(
  { db, sealer }: { db: Database; sealer: Sealer },
  device: DeviceAddress,
  request: FetchRequest,
): Promise<FetchReply> {
  const entriesMax = Math.min(Math.max(request.entriesMax, 1), ENTRIES_MAX)
  const { epoch, rows } = await withQueries(db, async (queries) => {
    const values = [
      device.accountId,
      device.deviceId,
      request.afterSeq,
      entriesMax,
      Math.min(request.bytesMax, BYTES_MAX),
    ]
    const statement = { name: 'fetch', text: fetchSql, values }
    return { epoch: queries.epoch, rows: await queries.rows<FetchedRow>(statement) }
  })
  if (request.epoch !== epoch) {
    return { epoch, outcome: { $case: 'refusal', value: EPOCH_CHANGED } }
  }
  const [first] = rows
  if (first === undefined || first.acked_seq === null) {
    return { epoch, outcome: { $case: 'refusal', value: UNLINKED } }
  }
  const found = rows.filter((row) => row.seq !== null)
  const entries = found.slice(0, entriesMax).map((row) => open(row, sealer, device))
  // `found` counts one more than asked for at most; fewer came where the bytes were used up.
  const isComplete = found.length === 0 || entries.length === first.found
  return {
    epoch,
    outcome: {
      $case: 'fetched',
      value: {
        entries,
        headSeq: first.head_seq,
        ackedSeq: first.acked_seq,
        isComplete,
      },
    },
  }
}

function open(row: FetchedRow, sealer: Sealer, device: DeviceAddress) {
  const content = sealer.open(device.accountId, row.tag, row.sealed)
  return forDevice(toStoredEntry(row.seq ?? 0, row.expires_at_ms ?? undefined, content), device)
}
