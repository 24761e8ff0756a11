// What reaches this gateway over the bus: doorbells, second ticks, signals and takeovers, from
// delivery-fanout and from other gateways. Any of it may be lost; reconciliation makes up for that.

import type { Bus } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import {
  GatewayEvent,
  type MailboxAppended,
  type SharedContent,
  type StoredEntry,
} from '@twotick/protocol/services'
import type { GatewayEvents } from './events.ts'
import type { Reconciliation } from './reconcile.ts'
import type { Registry } from './registry.ts'

/** Every gateway hears this one, beside its own `gateway.<id>`. */
const ALL_GATEWAYS = 'gateways'

export interface DoorbellParts {
  readonly gatewayId: string
  readonly registry: Registry
  readonly reconciliation: Reconciliation
  readonly events: GatewayEvents
}

export function answerDoorbells(bus: Bus, parts: DoorbellParts): { close(): void } {
  const { gatewayId, registry, reconciliation, events } = parts

  function hear(data: Uint8Array) {
    try {
      handle(GatewayEvent.decode(data), registry)
    } catch (error) {
      events.failed('a doorbell could not be read', error)
    }
  }

  const subjects = [`gateway.${gatewayId}`, ALL_GATEWAYS]
  const subscriptions = subjects.map((subject) => bus.subscribe(subject, hear))
  bus.onConnected(() => {
    reconciliation.soon()
    for (const session of registry.all()) session.resync()
  })
  return {
    close() {
      for (const subscription of subscriptions) subscription.close()
    },
  }
}

/** Hands on what is of the session's own epoch; the rest is of a history that is no more. */
function handle(event: GatewayEvent, registry: Registry) {
  const { epoch } = event
  const contents = new Map(event.contents.map((content) => [content.key, content]))
  for (const mailbox of event.mailboxes) {
    const { accountId, headSeq, traces } = mailbox
    const entries = entriesOf(mailbox, contents)
    for (const session of registry.of(accountId)) {
      if (session.epoch === epoch) session.rung(headSeq, entries, traces)
    }
  }
  for (const tick of event.ticks) {
    const session = tick.sender && registry.find(tick.sender)
    if (session?.epoch === epoch) session.ticked(tick)
  }
  for (const signal of event.signals) {
    for (const session of registry.of(signal.accountId)) session.signalled(signal)
  }
  for (const { device, session: number } of event.replaced) {
    const session = device && registry.find(device)
    if (session?.epoch !== epoch || session.number >= number) continue
    session.end({ code: RefusalCode.REPLACED, detail: '', retryAfterMs: 0 })
  }
  if (event.resync) for (const session of registry.all()) session.resync()
}

/** Where a copy's content is not there, neither is the entry: the session fetches it. */
function entriesOf(
  { entries, copies }: MailboxAppended,
  contents: ReadonlyMap<number, SharedContent>,
): readonly StoredEntry[] {
  if (copies.length === 0) return entries
  const all = [...entries]
  for (const { seq, key } of copies) {
    const shared = contents.get(key)
    if (shared?.envelope === undefined) continue
    const { acceptedAtMs, envelope: value } = shared
    all.push({ seq, acceptedAtMs, content: { $case: 'envelope', value } })
  }
  return all.sort((one, other) => one.seq - other.seq)
}
