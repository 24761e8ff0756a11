// How far a message has come among those whom it is for, in words.

import type { OutgoingMessage } from '@twotick/sdk'
import type { Names } from './names.ts'

const NAMED_MAX = 5

/** `1 of 3 has it; not yet: bob; never: carol`. Undefined while nobody has it. */
export async function whoHasIt(
  { reach }: Pick<OutgoingMessage, 'reach'>,
  names: Pick<Names, 'of'>,
): Promise<string | undefined> {
  const has: string[] = []
  const waited: string[] = []
  const never: string[] = []
  for (const [accountId, { at }] of Object.entries(reach)) {
    const which = at === 'delivered' ? has : at === 'waiting' ? waited : never
    which.push(accountId)
  }
  if (has.length === 0) return undefined
  const total = has.length + waited.length + never.length
  const parts = [`${has.length} of ${total} ${has.length === 1 ? 'has' : 'have'} it`]
  if (waited.length > 0) parts.push(`not yet: ${await listed(waited, names)}`)
  if (never.length > 0) parts.push(`never: ${await listed(never, names)}`)
  return parts.join('; ')
}

async function listed(accountIds: readonly string[], names: Pick<Names, 'of'>): Promise<string> {
  const shown = await Promise.all(accountIds.slice(0, NAMED_MAX).map((id) => names.of(id)))
  const more = accountIds.length - shown.length
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '')
}
