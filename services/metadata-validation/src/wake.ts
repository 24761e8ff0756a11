// The end of dormancy: an account of which a device is seen again. Called wherever a device is noted
// as seen, once that is committed: unseen.ts marks only under the locks of the account's devices, so
// whoever has noted one finds the account's mark, or it is not made.

import { type AccountId } from '@twotick/protocol'
import { bumpRosters, lockAccount } from './rows.ts'
import { type Transact } from './transaction.ts'

/** A dormant account is back: a recipient of its groups again, and their rosters say so. */
export async function wake(transact: Transact, accountId: AccountId) {
  await transact(async (transaction) => {
    const account = await lockAccount(transaction, accountId)
    if (account?.state !== 'active' || !account.dormant) return
    await transaction.query({
      name: 'wake-account',
      text: 'update directory.account set dormant = false where account_id = $1::uuid',
      values: [accountId],
    })
    await bumpRosters(transaction, accountId)
  })
}
