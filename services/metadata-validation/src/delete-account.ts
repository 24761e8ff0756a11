// Deletes an account: it exists for nobody from the moment this commits; its mailbox goes next, and
// its rows with the last step (pending.ts).

import {
  type AccountId,
  type DeleteAccount,
  type DeviceAddress,
  RefusalCode,
} from '@twotick/protocol'
import { type Answer, deleting, DONE, refused } from './answer.ts'
import { lockAsker } from './asker.ts'
import { bumpRosters } from './rows.ts'
import { type Transact, type Transaction } from './transaction.ts'

/** Refused: NOT_PRIMARY, INVALID_REQUEST (the handle is not the account's). */
export async function deleteAccount(
  transact: Transact,
  asker: DeviceAddress,
  { handle }: DeleteAccount,
): Promise<Answer> {
  return transact(async (transaction) => {
    const found = await lockAsker(transaction, asker)
    if (found === undefined) return refused(RefusalCode.UNLINKED)
    if (!found.device.is_primary) return refused(RefusalCode.NOT_PRIMARY)
    if (found.account.handle !== handle) return refused(RefusalCode.INVALID_REQUEST, 'handle')
    // Bumps, and so locks, the conversations; after that the memberships may go.
    await bumpRosters(transaction, asker.accountId)
    await leaveAll(transaction, asker.accountId)
    await markDeleting(transaction, asker.accountId)
    return { ...DONE, pending: deleting(asker) }
  })
}

async function leaveAll(transaction: Transaction, accountId: AccountId) {
  await transaction.query({
    name: 'leave-all',
    text: `with left_behind as (
        delete from directory.member where account_id = $1::uuid returning conversation_id)
      delete from directory.conversation c using left_behind
      where c.conversation_id = left_behind.conversation_id
        and not exists (select from directory.member m
          where m.conversation_id = c.conversation_id and m.account_id <> $1::uuid)`,
    values: [accountId],
  })
}

async function markDeleting(transaction: Transaction, accountId: AccountId) {
  await transaction.query({
    name: 'mark-devices-removing',
    text: `with marked as (
        update directory.device set intent = 'removing', since = now()
        where account_id = $1::uuid and intent <> 'removing' returning public_key)
      insert into directory.retired_key (digest) select sha256(public_key) from marked
      on conflict do nothing`,
    values: [accountId],
  })
  await transaction.query({
    name: 'delete-all-packages',
    text: 'delete from directory.key_package where account_id = $1::uuid',
    values: [accountId],
  })
  await transaction.query({
    name: 'mark-deleting',
    text: `update directory.account set state = 'deleting', since = now()
      where account_id = $1::uuid`,
    values: [accountId],
  })
}
