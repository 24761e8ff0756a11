// Accounts held for a change that names them: none of them is deleted, blocks anyone anew or changes
// its devices until the commit.

import { type AccountId, type DeviceAddress, isAccountId } from '@twotick/protocol'
import { holdAccounts, readDevices } from './rows.ts'
import { type Transaction } from './transaction.ts'

/**
 * The accounts that the asker named, all held; or `unwilling`: one of them does not exist, is not
 * active, or has blocked the asker, which all look alike.
 */
export type Held =
  | { readonly at: 'held'; readonly others: readonly AccountId[] }
  | { readonly at: 'unwilling' }
  | { readonly at: 'asker-unlinked' }

/** Holds the asker's account and others, in id order. */
export async function holdWilling(
  transaction: Transaction,
  asker: DeviceAddress,
  accountIds: ReadonlySet<string>,
): Promise<Held> {
  const others = [...accountIds].filter(isAccountId)
  const held = await holdAccounts(transaction, [asker.accountId, ...others])
  const active = new Set(held.map(({ account_id }) => account_id))
  const devices = await readDevices(transaction, [asker.accountId])
  const isLinked = devices.some(
    ({ device_id, intent }) => device_id === asker.deviceId && intent === 'active',
  )
  if (!isLinked || !active.has(asker.accountId)) return { at: 'asker-unlinked' }
  if (others.length < accountIds.size || others.some((accountId) => !active.has(accountId))) {
    return { at: 'unwilling' }
  }
  const blocking = await transaction.query({
    name: 'find-blocking',
    text: `select account_id from directory.block
      where account_id = any($1::uuid[]) and blocked_id = $2::uuid limit 1`,
    values: [others, asker.accountId],
  })
  return blocking.length > 0 ? { at: 'unwilling' } : { at: 'held', others }
}
