// The day on which a device was last seen, for devices that stay connected: a session may last longer
// than the days after which an unseen companion is unlinked. A handshake notes the day by itself
// (authenticate.ts); here a send does, once a day for each device. An account that is dormant is awake
// by it.
//
// One batch at a time; what is noted meanwhile forms the next. It may fail, or find a row held: the
// next send of the device notes it again.

import { type AccountId, addressKey, type DeviceAddress } from '@twotick/protocol'
import { LRUCache } from 'lru-cache'
import { type Reader, type Transact } from './transaction.ts'
import { wake } from './wake.ts'

const DAY_MS = 86_400_000
const DEVICES_MAX = 100_000

/** Notes that a device is there; returns at once. `onFailed` is told what went wrong. */
export function createSeen(
  { db, transact }: { readonly db: Reader; readonly transact: Transact },
  onFailed: (error: unknown) => void,
) {
  // By device, the day that was noted.
  const noted = new LRUCache<string, number>({ maxSize: DEVICES_MAX, sizeCalculation: () => 1 })
  const waiting = new Map<string, DeviceAddress>()
  let isWriting = false

  async function writeAll() {
    isWriting = true
    while (waiting.size > 0) {
      const addresses = [...waiting.values()]
      waiting.clear()
      try {
        await writeSeen(db, addresses)
        const { unwritten, dormant } = await readBack(db, addresses)
        for (const address of unwritten) noted.delete(addressKey(address))
        for (const accountId of dormant) await wake(transact, accountId)
      } catch (error) {
        for (const address of addresses) noted.delete(addressKey(address))
        onFailed(error)
      }
    }
    isWriting = false
  }

  return (address: DeviceAddress) => {
    const key = addressKey(address)
    const day = Math.floor(Date.now() / DAY_MS)
    if (noted.get(key) === day || waiting.size >= DEVICES_MAX) return
    noted.set(key, day)
    waiting.set(key, address)
    if (!isWriting) void writeAll()
  }
}

/** A row that somebody holds is skipped, so that no lock is waited for while others are held. */
async function writeSeen(db: Reader, addresses: readonly DeviceAddress[]) {
  await db.query({
    name: 'note-all-seen',
    text: `with seen as materialized (
        select d.account_id, d.device_id
        from unnest($1::uuid[], $2::smallint[]) as asked(account_id, device_id)
        join directory.device d using (account_id, device_id)
        where d.seen_on < current_date
        for update of d skip locked)
      update directory.device d set seen_on = current_date
      from seen where d.account_id = seen.account_id and d.device_id = seen.device_id`,
    values: columnsOf(addresses),
  })
}

/** Whose row was skipped, and which of their accounts are dormant. */
async function readBack(db: Reader, addresses: readonly DeviceAddress[]) {
  interface Row {
    account_id: AccountId
    device_id: number
    is_unwritten: boolean
    dormant: boolean
  }
  const rows = await db.query<Row>({
    name: 'read-all-seen',
    text: `select d.account_id, d.device_id, d.seen_on < current_date as is_unwritten, a.dormant
      from unnest($1::uuid[], $2::smallint[]) as asked(account_id, device_id)
      join directory.device d using (account_id, device_id)
      join directory.account a using (account_id)
      where d.intent = 'active' and (d.seen_on < current_date or a.dormant)`,
    values: columnsOf(addresses),
  })
  const unwritten = rows.filter(({ is_unwritten }) => is_unwritten)
  const dormant = rows.filter((row) => row.dormant && !row.is_unwritten)
  return {
    unwritten: unwritten.map((row) => ({ accountId: row.account_id, deviceId: row.device_id })),
    dormant: new Set(dormant.map(({ account_id }) => account_id)),
  }
}

function columnsOf(addresses: readonly DeviceAddress[]) {
  return [addresses.map(({ accountId }) => accountId), addresses.map(({ deviceId }) => deviceId)]
}
