// Whom an account does not want to hear from. It stops sends, signals, look-ups and invitations; in a
// group that both are in it does not, since the group's other members would see different messages.

import { type DeviceAddress, isAccountId, RefusalCode, type SetBlock } from '@twotick/protocol'
import { type Answer, DONE, refused } from './answer.ts'
import { lockAsker } from './asker.ts'
import { type Transact, type Transaction } from './transaction.ts'

const BLOCKS_MAX = 1_000

/**
 * Blocks an account, or no more. Any id can be blocked: an answer that depended on the other account
 * would tell whether it exists, or would keep somebody from blocking in return. Refused: NOT_FOUND
 * (this is no account's id), INVALID_REQUEST (one's own), LIMIT_REACHED.
 */
export async function setBlock(
  transact: Transact,
  asker: DeviceAddress,
  { accountId, blocked }: SetBlock,
): Promise<Answer> {
  if (!isAccountId(accountId)) return refused(RefusalCode.NOT_FOUND)
  if (accountId === asker.accountId) return refused(RefusalCode.INVALID_REQUEST, 'account_id')
  return transact(async (transaction) => {
    if ((await lockAsker(transaction, asker)) === undefined) return refused(RefusalCode.UNLINKED)
    if (blocked) {
      if (!(await insertBlock(transaction, asker, accountId))) {
        return refused(RefusalCode.LIMIT_REACHED, 'blocks')
      }
    } else {
      await transaction.query({
        name: 'delete-block',
        text: `delete from directory.block
          where account_id = $1::uuid and blocked_id = $2::uuid`,
        values: [asker.accountId, accountId],
      })
    }
    transaction.changedAccount(asker.accountId)
    return DONE
  })
}

/** False: the list is full, and this id not on it. */
async function insertBlock(transaction: Transaction, asker: DeviceAddress, blockedId: string) {
  await transaction.query({
    name: 'insert-block',
    text: `insert into directory.block (account_id, blocked_id)
      select $1::uuid, $2::uuid
      where (select count(*) from directory.block where account_id = $1::uuid) < $3::int
      on conflict do nothing`,
    values: [asker.accountId, blockedId, BLOCKS_MAX],
  })
  const rows = await transaction.query({
    name: 'find-block',
    text: `select from directory.block where account_id = $1::uuid and blocked_id = $2::uuid`,
    values: [asker.accountId, blockedId],
  })
  return rows.length > 0
}
