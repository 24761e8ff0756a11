// Whose a second tick is, where the gateway has not named it.

import type { Draft } from './draft.ts'
import type { Sealer } from './sealed.ts'
import { openRows } from './sealed-rows.ts'
import type { Queries } from './transaction.ts'

/** Names the ticks that have no name yet, from their rows, which are still there. */
export async function nameTicks(tx: Queries, draft: Draft, sealer: Sealer): Promise<void> {
  const unnamed = draft.ticks.filter((tick) => tick.name === undefined)
  if (unnamed.length === 0) return
  const rows = unnamed.map(({ recipientAccountId: accountId, seq }) => ({ accountId, seq }))
  const messages = await openRows(tx, sealer, rows)
  for (const tick of unnamed) tick.name = messages.get(tick.recipientAccountId, tick.seq)
}
