// Traces: one for each sampled envelope, from its send to every acknowledgement. A span is begun
// only where there is a context to continue; an envelope that is not traced costs a look at one
// field that is not there. Contexts travel as bytes in the messages themselves, since many envelopes
// share one frame, one transaction and one NATS message: gRPC's metadata and NATS' headers are for all
// that is in a message, or in a stream. What is ambient is only there for the log.
//
// One rule everywhere: work for one envelope alone is a child of what led to it; work for several
// is a trace of its own, with a link to each.

import {
  type Attributes,
  context,
  type Context,
  isSpanContextValid,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'

export { SpanKind }

/** W3C trace id (16), span id (8), flags (1). */
export const TRACE_CONTEXT_BYTES = 25

export interface TraceSpan {
  /** For those who continue it. */
  readonly context: Uint8Array
  readonly traceId: string
  event(name: string): void
  set(attributes: Attributes): void
  /** Runs `work`; what it logs, now and later, names the trace. */
  within<T>(work: () => T): T
  /** Ends it; `problem` says what went wrong. */
  end(problem?: string): void
}

export interface SpanOptions {
  readonly kind?: SpanKind
  readonly attributes?: Attributes
}

/** Begins the trace of an envelope; undefined where nothing records it. */
export function beginTrace(
  service: string,
  name: string,
  options: SpanOptions = {},
): TraceSpan | undefined {
  return begin(service, name, ROOT_CONTEXT, options)
}

/** Goes on with what `parent` began; undefined where nothing records it. */
export function continueTrace(
  service: string,
  name: string,
  { parent, ...options }: SpanOptions & { readonly parent: Uint8Array },
): TraceSpan | undefined {
  const spanContext = decodeTraceContext(parent)
  if (spanContext === undefined) return undefined
  return begin(service, name, trace.setSpanContext(ROOT_CONTEXT, spanContext), options)
}

/**
 * A span of work for some envelopes: the child of `contexts` if they are one and the same and nobody
 * else was in the company, else the root of its own trace with links.
 */
export function traceTogether(
  service: string,
  name: string,
  {
    contexts,
    isAlone,
    ...options
  }: SpanOptions & { readonly contexts: readonly Uint8Array[]; readonly isAlone: boolean },
): TraceSpan | undefined {
  const distinct = distinctContexts(contexts)
  const [first] = distinct
  if (first === undefined) return undefined
  if (isAlone && distinct.length === 1) {
    return continueTrace(service, name, { ...options, parent: first })
  }
  const links = distinct.flatMap((bytes) => {
    const spanContext = decodeTraceContext(bytes)
    return spanContext === undefined ? [] : [{ context: spanContext }]
  })
  return begin(service, name, ROOT_CONTEXT, { ...options, links })
}

/** Each context once. */
export function distinctContexts(contexts: readonly Uint8Array[]): Uint8Array[] {
  const byText = new Map(contexts.map((each) => [Buffer.from(each).toString('base64'), each]))
  return [...byText.values()]
}

function begin(
  service: string,
  name: string,
  parent: Context,
  { kind = SpanKind.INTERNAL, ...options }: SpanOptions & { readonly links?: Link[] },
): TraceSpan | undefined {
  const span = trace.getTracer(service).startSpan(name, { ...options, kind }, parent)
  const spanContext = span.spanContext()
  if (!isSpanContextValid(spanContext)) return undefined
  return toTraceSpan(span, spanContext)
}

function toTraceSpan(span: Span, spanContext: SpanContext): TraceSpan {
  return {
    context: encodeTraceContext(spanContext),
    traceId: spanContext.traceId,
    event: (name) => void span.addEvent(name),
    set: (attributes) => void span.setAttributes(attributes),
    within: (work) => context.with(trace.setSpan(ROOT_CONTEXT, span), work),
    end(problem) {
      if (problem !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: problem })
      span.end()
    },
  }
}

function encodeTraceContext({ traceId, spanId, traceFlags }: SpanContext): Uint8Array {
  const bytes = new Uint8Array(TRACE_CONTEXT_BYTES)
  bytes.set(Buffer.from(traceId, 'hex'), 0)
  bytes.set(Buffer.from(spanId, 'hex'), 16)
  bytes[24] = traceFlags
  return bytes
}

/** undefined: the bytes are no context. */
export function decodeTraceContext(bytes: Uint8Array): SpanContext | undefined {
  if (bytes.length !== TRACE_CONTEXT_BYTES) return undefined
  const hex = Buffer.from(bytes).toString('hex')
  const traceId = hex.slice(0, 32)
  const spanContext = {
    traceId,
    spanId: hex.slice(32, 48),
    traceFlags: bytes[24] ?? 0,
    isRemote: true,
  }
  return isSpanContextValid(spanContext) ? spanContext : undefined
}
