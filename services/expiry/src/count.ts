// How much waits on the whole relay: asked of the store some mailboxes at a time, for the metrics.
// Each replica counts everything; whoever reads the metric takes the largest.

import { unary } from '@twotick/chassis'
import type { EnvelopeStoreClient } from '@twotick/protocol/services'
import type { Epoch } from './epoch.ts'
import type { Events } from './events.ts'
import { pause } from './repeat.ts'

const CALL_MS = 5_000

export interface CountOptions {
  readonly store: EnvelopeStoreClient
  readonly epoch: Epoch
  readonly mailboxesMax: number
  readonly events: Events
}

/** One round through all mailboxes. Throws if the store fails or the signal aborts. */
export async function countWaiting(
  { store, epoch, mailboxesMax, events }: CountOptions,
  signal: AbortSignal,
): Promise<void> {
  const total = { entries: 0, oldestAgeMs: 0 }
  for (let afterAccountId = ''; ;) {
    const beganAt = performance.now()
    const request = { afterAccountId, mailboxesMax }
    const { refusal, nextAccountId, entries, oldestAgeMs } = await epoch.with(
      signal,
      (known) =>
        unary(store, 'countWaiting', { ...request, epoch: known }, { deadlineMs: CALL_MS, signal }),
      (reply) => reply.refusal,
    )
    if (refusal !== undefined) throw new Error(`CountWaiting refused: ${refusal.code}`)
    total.entries += entries
    total.oldestAgeMs = Math.max(total.oldestAgeMs, oldestAgeMs)
    if (nextAccountId === '') return events.counted(total)
    if (nextAccountId <= afterAccountId) throw new Error('CountWaiting does not get on')
    afterAccountId = nextAccountId
    // Never more than half of one connection's work.
    await pause(performance.now() - beganAt, signal)
    signal.throwIfAborted()
  }
}
