// Removing what has expired: goes through all mailboxes in account order, some at a call, and has
// the store remove what has expired there (with the notices that the senders are owed). There is no
// index on expires_at, which would cost every insert; a mailbox with nothing in it costs nothing.
//
// A round begins anywhere and goes round once: replicas are at different places most of the time,
// and a mailbox that cannot be swept does not keep those behind it from it for ever.

import { randomUUID } from 'node:crypto'
import { unary } from '@twotick/chassis'
import type { EnvelopeStoreClient } from '@twotick/protocol/services'
import type { Epoch } from './epoch.ts'
import type { Events } from './events.ts'
import { pause } from './repeat.ts'

const CALL_MS = 5_000
const STANDSTILLS_MAX = 5

export interface SweepOptions {
  readonly store: EnvelopeStoreClient
  readonly epoch: Epoch
  readonly mailboxesMax: number
  readonly entriesMax: number
  readonly events: Events
}

interface Sweep extends SweepOptions {
  readonly signal: AbortSignal
}

/** One round through all mailboxes. Throws if the store fails or the signal aborts. */
export async function sweep(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const middle = randomUUID()
  await sweepFrom(middle, undefined, { ...options, signal })
  await sweepFrom('', middle, { ...options, signal })
  options.events.sweptAll()
}

/** From behind one account up to another one, or to the last. */
async function sweepFrom(first: string, last: string | undefined, options: Sweep): Promise<void> {
  let after = first
  let standstills = 0
  for (;;) {
    const beganAt = performance.now()
    const { next, expired } = await expire(after, options)
    if (next === '' || (last !== undefined && next >= last)) return
    // The same account again: there is more in the next mailbox. That nothing was removed is another
    // replica's doing, but not for ever.
    standstills = next === after && expired === 0 ? standstills + 1 : 0
    if (next < after || standstills > STANDSTILLS_MAX) throw new Error('Expire does not get on')
    after = next
    // As long a pause as the call took: sweeping is never more than half of one connection's work.
    await pause(performance.now() - beganAt, options.signal)
    options.signal.throwIfAborted()
  }
}

/** One call: `next` is the account to go on behind, empty after the last. */
async function expire(
  after: string,
  { store, epoch, mailboxesMax, entriesMax, events, signal }: Sweep,
): Promise<{ next: string; expired: number }> {
  const request = { afterAccountId: after, mailboxesMax, entriesMax }
  const { refusal, nextAccountId, expired, noticed } = await epoch.with(
    signal,
    (known) =>
      unary(store, 'expire', { ...request, epoch: known }, { deadlineMs: CALL_MS, signal }),
    (reply) => reply.refusal,
  )
  if (refusal !== undefined) throw new Error(`Expire refused: ${refusal.code}`)
  events.swept({ expired, noticed })
  return { next: nextAccountId, expired }
}
