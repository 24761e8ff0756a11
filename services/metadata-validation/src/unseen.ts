// What 30 days without being seen do: a companion is unlinked, and an account without any device seen
// is dormant, no recipient in groups until it returns (wake.ts).
//
// Looked for without locks, judged again under the account's; one account a transaction.

import { type AccountId } from '@twotick/protocol'
import { type Pending, PendingKind } from '@twotick/protocol/services'
import { pendingFor } from './answer.ts'
import { markRemoving } from './devices.ts'
import { bumpRosters, lockAccount } from './rows.ts'
import { type Reader, type Transact, type Transaction } from './transaction.ts'

/** How long unseen is too long, and how many to take at once. */
export interface UnseenBounds {
  readonly days: number
  readonly max: number
}

/** Marks companions unseen for too long as being removed: what the store must do about each. */
export async function unlinkUnseen(
  db: Reader,
  transact: Transact,
  bounds: UnseenBounds,
): Promise<Pending[]> {
  const accounts = await db.query<{ account_id: AccountId }>({
    name: 'find-unseen-companions',
    text: `select distinct account_id from directory.device
      where intent = 'active' and not is_primary and seen_on < current_date - $1::int
      limit $2::int`,
    values: [bounds.days, bounds.max],
  })
  const pending: Pending[] = []
  for (const { account_id } of accounts) {
    if (pending.length >= bounds.max) break
    pending.push(...(await transact((transaction) => unlinkOf(transaction, account_id, bounds))))
  }
  return pending.slice(0, bounds.max)
}

async function unlinkOf(
  transaction: Transaction,
  accountId: AccountId,
  { days }: UnseenBounds,
): Promise<Pending[]> {
  const account = await lockAccount(transaction, accountId)
  if (account?.state !== 'active') return []
  const rows = await transaction.query<{ device_id: number }>({
    name: 'find-unseen-of-account',
    text: `select device_id from directory.device
      where account_id = $1::uuid and intent = 'active' and not is_primary
        and seen_on < current_date - $2::int`,
    values: [accountId, days],
  })
  for (const { device_id: deviceId } of rows) {
    await markRemoving(transaction, { accountId, deviceId })
  }
  return rows.map(({ device_id: deviceId }) =>
    pendingFor(PendingKind.REMOVING_DEVICE, { accountId, deviceId }),
  )
}

/** Marks accounts dormant, of which no device was seen for too long. */
export async function markDormant(db: Reader, transact: Transact, bounds: UnseenBounds) {
  const accounts = await db.query<{ account_id: AccountId }>({
    name: 'find-unseen-accounts',
    text: `select a.account_id
      from directory.device d join directory.account a using (account_id)
      where d.is_primary and d.intent = 'active' and d.seen_on < current_date - $1::int
        and a.state = 'active' and not a.dormant
        and not exists (select from directory.device other
          where other.account_id = a.account_id and other.intent = 'active'
            and other.seen_on >= current_date - $1::int)
      limit $2::int`,
    values: [bounds.days, bounds.max],
  })
  for (const { account_id } of accounts) {
    await transact((transaction) => markDormantAccount(transaction, account_id, bounds))
  }
}

async function markDormantAccount(
  transaction: Transaction,
  accountId: AccountId,
  { days }: UnseenBounds,
) {
  await lockAccount(transaction, accountId)
  // A device that is noted as seen at this moment is waited for, or finds the mark (wake.ts).
  await transaction.query({
    name: 'lock-devices',
    text: 'select from directory.device where account_id = $1::uuid for no key update',
    values: [accountId],
  })
  const marked = await transaction.query({
    name: 'mark-dormant',
    text: `update directory.account a set dormant = true
      where account_id = $1::uuid and state = 'active' and not dormant
        and not exists (select from directory.device d
          where d.account_id = a.account_id and d.intent = 'active'
            and d.seen_on >= current_date - $2::int)
      returning account_id`,
    values: [accountId, days],
  })
  if (marked.length > 0) await bumpRosters(transaction, accountId)
}
