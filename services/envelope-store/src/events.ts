// What happens in the store, as metrics: one function an event. The books over pairs of message and
// recipient account: accepted = delivered + noticed + what waits.

import { metrics } from '@opentelemetry/api'
import { RefusalCode } from '@twotick/protocol'
import type { Draft } from './draft.ts'
import type { Outcome } from './outcome.ts'

const meter = metrics.getMeter('envelope-store')
const accepted = meter.createCounter('twotick.store.accepted', {
  description: 'pairs of message and recipient account with a first tick',
})
const delivered = meter.createCounter('twotick.store.delivered', {
  description: 'pairs of message and recipient account with a second tick',
})
const noticed = meter.createCounter('twotick.store.noticed', {
  description: 'pairs of message and recipient account that a closing notice ended',
})
const removed = meter.createCounter('twotick.store.removed', { description: 'entries removed' })
const refused = meter.createCounter('twotick.store.refused', { description: 'writes, by code' })
const unknown = meter.createCounter('twotick.store.unknown', {
  description: 'writes with an unknown outcome',
})
const batchItems = meter.createHistogram('twotick.store.batch_items', {
  description: 'appends and acks of one transaction',
})

/** A transaction has committed. */
export function onCommitted({ tally, ticks, removed: rows }: Draft): void {
  if (tally.accepted > 0) accepted.add(tally.accepted)
  if (ticks.length > 0) delivered.add(ticks.length)
  if (tally.noticed > 0) noticed.add(tally.noticed)
  if (rows.length > 0) removed.add(rows.length)
}

/** A batch of writes has committed. */
export function onBatch(items: number, outcomes: Iterable<Outcome>): void {
  batchItems.record(items)
  for (const outcome of outcomes) {
    if (outcome.$case !== 'refusal') continue
    const [code] = Object.entries(RefusalCode).find(([, n]) => n === outcome.value.code) ?? ['']
    refused.add(1, { code })
  }
}

/** Nobody knows what became of a write. */
export function onUnknown(): void {
  unknown.add(1)
}
