// Spans of traced envelopes in the store: their append, the transaction that they were in, their
// doorbell, and from an ack on their removal and second tick.

import {
  continueTrace,
  distinctContexts,
  SpanKind,
  type TraceSpan,
  traceTogether,
} from '@twotick/chassis'
import type { AckWrite, Append, MailboxAppended, TraceHops } from '@twotick/protocol/services'
import type { Draft, Name } from './draft.ts'
import type { Written } from './outcome.ts'
import type { Write } from './write.ts'

const STORE = 'envelope-store'
const RPC = { 'rpc.system.name': 'grpc', 'rpc.method': 'twotick.v1.EnvelopeStore/Write' }

/** Runs an append; a traced one as a span, which is kept with its entries. */
export function traceAppend(
  append: Append,
  run: (append: Append) => Promise<Written>,
): Promise<Written> {
  return append.trace === undefined ? run(append) : tracedAppend(append, append.trace, run)
}

async function tracedAppend(
  append: Append,
  parent: Uint8Array,
  run: (append: Append) => Promise<Written>,
): Promise<Written> {
  const options = { parent, kind: SpanKind.SERVER, attributes: RPC }
  const span = continueTrace(STORE, 'append', options)
  if (span === undefined) return run(append)
  const written = await span.within(() => run({ ...append, trace: span.context }))
  span.end(problemOf(written))
  return written
}

/** Runs an ack; that of traced entries as a span of each of their traces. */
export function traceAck(
  ack: AckWrite,
  run: (ack: AckWrite) => Promise<Written>,
): Promise<Written> {
  return ack.names.some(({ trace }) => trace !== undefined) ? tracedAck(ack, run) : run(ack)
}

async function tracedAck(
  ack: AckWrite,
  run: (ack: AckWrite) => Promise<Written>,
): Promise<Written> {
  const spans = new Map<string, TraceSpan>()
  const names = ack.names.map((name) => {
    if (name.trace === undefined) return name
    const key = Buffer.from(name.trace).toString('base64')
    const options = { parent: name.trace, kind: SpanKind.SERVER, attributes: RPC }
    const span = spans.get(key) ?? continueTrace(STORE, 'ack', options)
    if (span === undefined) return name
    spans.set(key, span)
    return { ...name, trace: span.context }
  })
  const written = await run({ ...ack, names })
  for (const span of spans.values()) span.end(problemOf(written))
  return written
}

function problemOf({ outcome }: Written): string | undefined {
  return outcome.$case === 'stored' || outcome.$case === 'acked' ? undefined : outcome.$case
}

/** The transaction of a batch; undefined where none of it is traced. */
export function beginTransaction(batch: readonly Write[]): TraceSpan | undefined {
  const contexts: Uint8Array[] = []
  for (const write of batch) {
    if (write.kind === 'append') {
      if (write.sending.trace !== undefined) contexts.push(write.sending.trace)
    } else if (write.ack.traces !== undefined) contexts.push(...write.ack.traces.values())
  }
  if (contexts.length === 0) return undefined
  return traceTogether(STORE, 'transaction', {
    contexts,
    isAlone: batch.length === 1,
    kind: SpanKind.CLIENT,
    attributes: {
      'db.system.name': 'postgresql',
      'db.operation.name': 'write',
      'db.operation.batch.size': batch.length,
    },
  })
}

/** What a committed transaction has removed of traced entries. */
export function traceRemoved(batch: readonly Write[], { removed }: Draft): void {
  for (const write of batch) {
    if (write.kind !== 'ack' || write.ack.traces === undefined) continue
    const { accountId } = write.ack.device
    const gone = removed.filter((row) => row.accountId === accountId)
    const contexts = gone.flatMap(({ seq }) => write.ack.traces?.get(seq) ?? [])
    for (const parent of distinctContexts(contexts))
      continueTrace(STORE, 'delete', { parent })?.end()
  }
}

/** Entries that have expired before anybody had them. */
export function traceExpired(contexts: readonly Uint8Array[]): void {
  traceTogether(STORE, 'expire', { contexts, isAlone: false })?.end()
}

/** Where the traced entries of a doorbell go on; undefined where none is traced. */
export function hopsOfAppended(mailbox: MailboxAppended): TraceHops | undefined {
  const hops: TraceHops['hops'] = []
  for (const { seq, content } of mailbox.entries) {
    if (content?.$case !== 'envelope' || content.value.trace === undefined) continue
    hops.push({ number: seq, context: content.value.trace })
  }
  return publishing('mailbox.appended', hops)
}

/** Where traced second ticks go on; undefined where none is traced. */
export function hopsOfTicks(names: readonly Name[]): TraceHops | undefined {
  const hops = names.flatMap(({ no, trace }) =>
    trace === undefined ? [] : [{ number: no, context: trace }],
  )
  return publishing('mailbox.delivered', hops)
}

function publishing(subject: string, hops: TraceHops['hops']): TraceHops | undefined {
  if (hops.length === 0) return undefined
  const spans = new Map<string, Uint8Array>()
  const published = hops.map(({ number, context: parent }) => {
    const key = Buffer.from(parent).toString('base64')
    const context = spans.get(key) ?? publishSpan(subject, parent)
    spans.set(key, context)
    return { number, context }
  })
  return { hops: published }
}

function publishSpan(subject: string, parent: Uint8Array): Uint8Array {
  const span = continueTrace(STORE, `publish ${subject}`, {
    parent,
    kind: SpanKind.PRODUCER,
    attributes: {
      'messaging.system': 'nats',
      'messaging.destination.name': subject,
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
    },
  })
  span?.end()
  return span?.context ?? parent
}
