// Spans of the traced envelopes of a batch: what is handed on says that they came through here.

import { SpanKind, traceTogether, type TraceSpan } from '@twotick/chassis'
import { MailboxOutline, TickOutline } from '@twotick/protocol/services'
import type { Matter } from './matter.ts'

export interface TracedBatch {
  readonly matters: readonly Matter[]
  end(): void
}

/** The batch as it is handed on; undefined where nothing of it is traced. */
export function traceBatch(matters: readonly Matter[]): TracedBatch | undefined {
  if (!matters.some(({ traces }) => traces !== undefined)) return undefined
  const ticks = traceKind(matters, 'tick')
  const mailboxes = traceKind(matters, 'mailbox')
  return {
    matters: matters.map((matter) => continued(matter, { ticks, mailboxes })),
    end() {
      ticks?.end()
      mailboxes?.end()
    },
  }
}

/** Only of the kind's traced matters is it a child: in company it is linked. */
function traceKind(matters: readonly Matter[], kind: Matter['kind']): TraceSpan | undefined {
  const traced = matters.filter((matter) => matter.kind === kind && matter.traces !== undefined)
  const subject = kind === 'tick' ? 'mailbox.delivered' : 'mailbox.appended'
  return traceTogether('delivery-fanout', `process ${subject}`, {
    contexts: traced.flatMap(({ traces }) => traces?.hops.map(({ context }) => context) ?? []),
    isAlone: isAlone(matters, traced),
    kind: SpanKind.CONSUMER,
    attributes: {
      'messaging.system': 'nats',
      'messaging.destination.name': subject,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.batch.message_count': matters.length,
    },
  })
}

function isAlone(matters: readonly Matter[], [traced]: readonly Matter[]): boolean {
  return matters.length === 1 && traced !== undefined
}

/** The field of the traces once more, behind the others: the last one counts. */
function continued(
  matter: Matter,
  { ticks, mailboxes }: { ticks: TraceSpan | undefined; mailboxes: TraceSpan | undefined },
): Matter {
  const isTick = matter.kind === 'tick'
  const span = isTick ? ticks : mailboxes
  // A batch has a trace of its own: in that of the envelope, who comes next goes on where it was.
  if (span === undefined || matter.traces === undefined || !sharesTrace(matter, span)) return matter
  const hops = matter.traces.hops.map(({ number }) => ({ number, context: span.context }))
  const traces = { hops }
  const more = isTick
    ? TickOutline.encode({ sender: undefined, traces }).finish()
    : MailboxOutline.encode({ accountId: '', headSeq: 0, copies: [], traces }).finish()
  return { ...matter, encoded: Buffer.concat([matter.encoded, more]) }
}

function sharesTrace({ traces }: Matter, { traceId }: TraceSpan): boolean {
  const [first] = traces?.hops ?? []
  return first !== undefined && Buffer.from(first.context).toString('hex', 0, 16) === traceId
}
