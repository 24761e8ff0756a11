// The traced entries of one session, from their push to their ack. A push of one entry alone that a
// doorbell brought goes on where the doorbell came from; catching up and frames of several have a
// trace of their own, linked to each entry's append.

import {
  continueTrace,
  distinctContexts,
  SpanKind,
  type TraceSpan,
  traceTogether,
} from '@twotick/chassis'
import type { DeviceAddress, Entry } from '@twotick/protocol'
import type { EntryName, TraceHops } from '@twotick/protocol/services'
import type { Answered } from './mailbox-calls.ts'
import type { SeenEntry } from './page.ts'
import { GATEWAY, markOfAccount } from './send-traces.ts'
import type { Action } from './session.ts'

/** Met and neither pushed nor acked: what is beyond is fetched, and met, once more. */
const TRACED_MAX = 1_024

export interface PushTraces {
  /** Entries that may be pushed now. */
  met(entries: readonly SeenEntry[], hops?: TraceHops): void
  pushed(entries: readonly Entry[], isLive: boolean): void
  /** Has `call` put an ack to the store; names of traced entries carry the span of their ack. */
  ack(ack: AckAction, call: (ack: AckAction) => Promise<Answered>): Promise<Answered>
}

type AckAction = Action & { do: 'ack' }

export function isTraced({ name }: SeenEntry): boolean {
  return name?.trace !== undefined
}

interface Traced {
  readonly append: Uint8Array
  /** Where a live push goes on. */
  readonly hop: Uint8Array
  push: Uint8Array | undefined
}

export function createPushTraces({ accountId }: Pick<DeviceAddress, 'accountId'>): PushTraces {
  const traced = new Map<number, Traced>()
  return {
    met(entries, hops) {
      for (const { seq, name } of entries) {
        if (name?.trace === undefined || traced.size >= TRACED_MAX) continue
        const hop = hops?.hops.findLast(({ number }) => number === seq)?.context
        traced.set(seq, { append: name.trace, hop: hop ?? name.trace, push: undefined })
      }
    },
    pushed(entries, isLive) {
      if (traced.size === 0) return
      const found = entries.flatMap(({ seq }) => traced.get(seq) ?? [])
      const isAlone = isLive && entries.length === 1
      const span = traceTogether(GATEWAY, 'push', {
        contexts: found.map(({ append, hop }) => (isAlone ? hop : append)),
        isAlone,
        kind: SpanKind.SERVER,
        attributes: {
          'twotick.push': isLive ? 'live' : 'drain',
          'twotick.entries': entries.length,
          'twotick.recipient': markOfAccount(accountId),
        },
      })
      for (const each of found) each.push = span?.context
      span?.end()
    },
    async ack(ack, call) {
      if (traced.size === 0) return call(ack)
      const spans = beginAcks(ack.names, traced)
      const names = ack.names.map((name) => {
        const push = traced.get(name.seq)?.push
        const trace = push && spans.get(textOf(push))?.context
        return trace === undefined ? name : { ...name, trace }
      })
      const answered = await call({ ...ack, names })
      for (const span of spans.values()) span.end(answered.on === 'acked' ? undefined : answered.on)
      if (answered.on === 'acked') for (const { seq } of names) traced.delete(seq)
      return answered
    },
  }
}

/** One span for each push that the ack covers, by the push's context. */
function beginAcks(names: readonly EntryName[], traced: ReadonlyMap<number, Traced>) {
  const spans = new Map<string, TraceSpan>()
  for (const { seq } of names) {
    const parent = traced.get(seq)?.push
    if (parent === undefined || spans.has(textOf(parent))) continue
    const span = continueTrace(GATEWAY, 'ack', { parent, kind: SpanKind.SERVER })
    if (span !== undefined) spans.set(textOf(parent), span)
  }
  return spans
}

function textOf(context: Uint8Array): string {
  return Buffer.from(context).toString('base64')
}

/** Second ticks were pushed to the device that sent these. */
export function traceTicks({ hops }: TraceHops): void {
  for (const parent of distinctContexts(hops.map(({ context }) => context))) {
    continueTrace(GATEWAY, 'push second tick', { parent, kind: SpanKind.SERVER })?.end()
  }
}
