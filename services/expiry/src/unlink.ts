// Finishing what was left half done: links, unlinks, registrations and deletions whose gateway died
// or whose store was away between two steps; and unlinking companions that were not seen for long.
// The directory's rows say what is to be done, so any replica may do it, at the same time as others.

import { unary } from '@twotick/chassis'
import { finishPending, type LinkingClients } from '@twotick/linking'
import type { Pending } from '@twotick/protocol/services'
import type { Epoch } from './epoch.ts'
import type { Events } from './events.ts'

const CALL_MS = 2_000

export interface UnlinkOptions {
  readonly clients: LinkingClients
  readonly epoch: Epoch
  readonly pendingMax: number
  readonly events: Events
}

/** Finishes what has been pending for so long. Throws if a service fails or the signal aborts. */
export async function finishHalfDone(
  { olderThanMs, ...options }: UnlinkOptions & { olderThanMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { directory } = options.clients
  const request = { olderThanMs, pendingMax: options.pendingMax }
  const { pending } = await unary(directory, 'listPending', request, {
    deadlineMs: CALL_MS,
    signal,
  })
  await finishEach(pending, options, signal)
}

/** Unlinks companions that were not seen for long, a bounded number at a time. */
export async function unlinkUnseen(options: UnlinkOptions, signal: AbortSignal): Promise<void> {
  const { directory } = options.clients
  const request = { pendingMax: options.pendingMax }
  const { pending } = await unary(directory, 'unlinkUnseen', request, {
    deadlineMs: CALL_MS,
    signal,
  })
  options.events.unseen(pending.length)
  await finishEach(pending, options, signal)
}

/**
 * One after the other, in any order: the first failure ends it, because the next would most likely
 * fail too, and one that always fails must not always be in front of the same others. What is
 * refused or not finished stays pending and comes again.
 */
async function finishEach(
  pendings: readonly Pending[],
  { clients, epoch, events }: UnlinkOptions,
  signal: AbortSignal,
): Promise<void> {
  for (const pending of shuffled(pendings)) {
    const outcome = await epoch.with(
      signal,
      (known) => finishPending(clients, pending, known, signal),
      (outcome) => (outcome.at === 'refused' ? outcome.refusal : undefined),
    )
    events.finished(pending.kind, outcome)
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}
