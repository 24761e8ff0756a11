// Whose an entry is can only be read from what is sealed. Rows never change what they carry and a
// seq is never given twice, so this may be read before any lock is held.

import type { AccountId } from '@twotick/protocol'
import { bigintArray, uuidArray } from './binary-array.ts'
import { entryAt } from './entries-by-key.ts'
import type { Place } from './entry-rows.ts'
import type { Message } from './notice.ts'
import type { Sealer } from './sealed.ts'
import { messageOf, type SealedRow } from './stored-entry.ts'
import { type Queries, rowsByShard } from './transaction.ts'

export interface Messages {
  /** undefined: the entry was not read, or is a notice. */
  get(accountId: AccountId, seq: number): Message | undefined
  /** Whether the entry was read. */
  has(accountId: AccountId, seq: number): boolean
  readonly senderAccountIds: ReadonlySet<AccountId>
}

const openRowsSql = `
  select e.account_id, e.seq, int8send(e.tag) as tag, e.sealed
    from unnest($1::uuid[], $2::bigint[]) d(account_id, seq)
    cross join ${entryAt} e`

/** Opens single rows, those of them that are still there. */
export async function openRows(
  queries: Queries,
  sealer: Sealer,
  places: readonly Place[],
): Promise<Messages> {
  const sealed = await rowsByShard<SealedRow, Place>(queries, places, (group) => ({
    name: 'open_rows',
    text: openRowsSql,
    values: [
      uuidArray(group.map((row) => row.accountId)),
      bigintArray(group.map((row) => row.seq)),
    ],
  }))
  return openSealed(sealer, sealed)
}

/** Opens what was read. */
export function openSealed(sealer: Sealer, rows: readonly SealedRow[]): Messages {
  const messages = new Map<string, Message | undefined>()
  const senderAccountIds = new Set<AccountId>()
  for (const { account_id: accountId, seq, tag, sealed } of rows) {
    const message = messageOf(tag, sealer.open(accountId, tag, sealed))
    messages.set(keyOf(accountId, seq), message)
    if (message !== undefined) senderAccountIds.add(message.sender.accountId)
  }
  return {
    get: (accountId, seq) => messages.get(keyOf(accountId, seq)),
    has: (accountId, seq) => messages.has(keyOf(accountId, seq)),
    senderAccountIds,
  }
}

function keyOf(accountId: AccountId, seq: number): string {
  return `${accountId}/${seq}`
}
