// What is half done: accounts and devices whose step at the store is still to come, or was just done.
// The rows carry the intent, so any replica of expiry can finish what a crash has left.

import { type AccountId, type DeviceAddress, isAccountId } from '@twotick/protocol'
import { type Pending, PendingKind } from '@twotick/protocol/services'
import { deleting, pendingFor } from './answer.ts'
import { bumpRosters, lockAccount } from './rows.ts'
import { type Reader, type Transact, type Transaction } from './transaction.ts'

/** The store has taken its step. Repeated, or for what is not pending, it changes nothing. */
export async function finishPending(transact: Transact, pending: Pending | undefined) {
  const accountId = pending?.device?.accountId ?? ''
  if (pending === undefined || !isAccountId(accountId)) return
  const device = { accountId, deviceId: pending.device?.deviceId ?? 0 }
  await transact(async (transaction) => {
    const account = await lockAccount(transaction, accountId)
    if (account === undefined) return
    if (pending.kind === PendingKind.DELETING_ACCOUNT) {
      if (account.state === 'deleting') await forgetAccount(transaction, accountId)
      return
    }
    if (account.state === 'deleting') return
    if (pending.kind === PendingKind.REMOVING_DEVICE) await forgetDevice(transaction, device)
    if (pending.kind === PendingKind.REPLACING_DEVICE) {
      await forgetDevice(transaction, { accountId, deviceId: pending.evictedDeviceId })
      await activate(transaction, device)
    }
    if (pending.kind === PendingKind.ADDING_DEVICE) await activate(transaction, device)
    if (pending.kind === PendingKind.CREATING_ACCOUNT && account.state === 'creating') {
      await openAccount(transaction, accountId)
      await activate(transaction, device)
    }
  })
}

async function openAccount(transaction: Transaction, accountId: AccountId) {
  await transaction.query({
    name: 'open-account',
    text: `update directory.account set state = 'active', since = now()
      where account_id = $1::uuid`,
    values: [accountId],
  })
}

async function activate(transaction: Transaction, { accountId, deviceId }: DeviceAddress) {
  const activated = await transaction.query({
    name: 'activate-device',
    text: `update directory.device
      set intent = 'active', since = now(), evicts = null, seen_on = current_date
      where account_id = $1::uuid and device_id = $2::smallint and intent = 'adding'
      returning device_id`,
    values: [accountId, deviceId],
  })
  if (activated.length > 0) await bumpRosters(transaction, accountId)
}

/** The device is in no roster since it became `removing`: nothing to announce. */
async function forgetDevice(transaction: Transaction, { accountId, deviceId }: DeviceAddress) {
  await transaction.query({
    name: 'forget-device',
    text: `delete from directory.device
      where account_id = $1::uuid and device_id = $2::smallint and intent = 'removing'`,
    values: [accountId, deviceId],
  })
}

/** Its memberships went when the deletion began. Its handle is free from now on. */
async function forgetAccount(transaction: Transaction, accountId: AccountId) {
  for (const table of ['block', 'device', 'account']) {
    await transaction.query({
      name: `forget-all-of-${table}`,
      text: `delete from directory.${table} where account_id = $1::uuid`,
      values: [accountId],
    })
  }
}

interface PendingRow {
  account_id: AccountId
  device_id: number
  kind: PendingKind
  evicts: number | null
}

// A device that another one replaces is in that one's step. What an account being created or deleted
// has of devices is in the account's.
const LIST = `
select account_id, 1 as device_id, null::smallint as evicts, since,
  case state when 'creating' then ${PendingKind.CREATING_ACCOUNT}
    else ${PendingKind.DELETING_ACCOUNT} end as kind
from directory.account
where state <> 'active' and since < now() - $1::int * interval '1 ms'
union all
select d.account_id, d.device_id, d.evicts, d.since,
  case when d.intent = 'removing' then ${PendingKind.REMOVING_DEVICE}
    when d.evicts is null then ${PendingKind.ADDING_DEVICE}
    else ${PendingKind.REPLACING_DEVICE} end
from directory.device d join directory.account a using (account_id)
where d.intent <> 'active' and a.state = 'active'
  and d.since < now() - $1::int * interval '1 ms'
  and not exists (select from directory.device e
    where e.account_id = d.account_id and e.evicts = d.device_id)
order by since limit $2::int`

/** What was begun longer ago than this and is not finished, oldest first. */
export async function listPending(
  reader: Reader,
  olderThanMs: number,
  pendingMax: number,
): Promise<Pending[]> {
  const values = [olderThanMs, Math.min(pendingMax, PENDING_MAX)]
  const rows = await reader.query<PendingRow>({ name: 'list-pending', text: LIST, values })
  return rows.map(({ account_id: accountId, device_id: deviceId, kind, evicts }) =>
    kind === PendingKind.DELETING_ACCOUNT
      ? deleting({ accountId })
      : pendingFor(kind, { accountId, deviceId }, evicts ?? 0),
  )
}

/** At most so many in one answer, whatever was asked for. */
export const PENDING_MAX = 1_000
