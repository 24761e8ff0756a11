// What happens in the store, as metrics: one function an event. The books over pairs of message and
// recipient account: accepted = delivered + noticed + what waits.

import { BATCH_COUNTS, LATENCY_SECONDS, openMeter, refusalNames } from '@twotick/chassis'
import type { Draft } from './draft.ts'
import type { Outcome } from './outcome.ts'

const meter = openMeter('envelope-store')
const accepted = meter.counter(
  'twotick.store.accepted',
  'pairs of message and recipient account with a first tick',
)
const delivered = meter.counter(
  'twotick.store.delivered',
  'pairs of message and recipient account with a second tick',
)
const noticed = meter.counter(
  'twotick.store.noticed',
  'pairs of message and recipient account that a closing notice ended',
)
const removed = meter.counter('twotick.store.removed', 'entries removed')
const CODE_NAMES = refusalNames()
const refused = meter.counterBy('twotick.store.refused', 'code', {
  description: 'writes refused',
  values: CODE_NAMES.values(),
})
const unknown = meter.counter('twotick.store.unknown', 'writes with an unknown outcome')
const unpublished = meter.counter(
  'twotick.store.doorbells_unpublished',
  'doorbells and second ticks that the bus did not take',
)
const batchItems = meter.histogram(
  'twotick.store.batch_items',
  'appends and acks of one transaction',
  BATCH_COUNTS,
)
const transaction = meter.histogram(
  'twotick.store.transaction_seconds',
  'one transaction of appends and acks, from its beginning to its commit',
  LATENCY_SECONDS,
)

/** A transaction has committed. */
export function onCommitted({ tally, ticks, removed: rows }: Draft): void {
  accepted.add(tally.accepted)
  delivered.add(ticks.length)
  noticed.add(tally.noticed)
  removed.add(rows.length)
}

/** A batch of writes has committed. `since` is when it began (performance.now()). */
export function onBatch(since: number, items: number, outcomes: Iterable<Outcome>): void {
  batchItems.record(items)
  transaction.record((performance.now() - since) / 1_000)
  for (const outcome of outcomes) {
    if (outcome.$case === 'refusal') refused.add(CODE_NAMES.get(outcome.value.code) ?? 'unknown')
  }
}

/** Nobody knows what became of a write. */
export function onUnknown(): void {
  unknown.add()
}

/** Reconciliation, or the sender's question, makes up for it. */
export function onUnpublished(): void {
  unpublished.add()
}
