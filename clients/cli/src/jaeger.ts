// Jaeger's query API, as far as a trace needs it: the trace itself, and what others have linked to it.

import { CommandError, EXIT } from './command-error.ts'
import type { Span } from './trace-tree.ts'

export const DEFAULT_JAEGER_URL = 'http://127.0.0.1:16686'

const CALL_MS = 5_000
const LINKING_MAX = 200

/** Spans that are for several messages, or for one much later, are in traces of their own. */
const LINKING = [
  ['gateway', 'push'],
  ['envelope-store', 'transaction'],
  ['envelope-store', 'expire'],
  ['delivery-fanout', 'process mailbox.appended'],
  ['delivery-fanout', 'process mailbox.delivered'],
] as const

export interface Jaeger {
  /** What a browser shows. */
  pageOf(traceId: string): string
  /** Empty: Jaeger does not have it (yet). */
  read(traceId: string): Promise<readonly Span[]>
  /** The newest traces since `sinceMs` that have a link to one of a trace's spans. */
  linkedTo(traceId: string, sinceMs: number): Promise<readonly Span[]>
}

export function openJaeger(url: string): Jaeger {
  const base = url.replace(/\/+$/, '')

  async function get(path: string): Promise<readonly Span[]> {
    const response = await fetch(`${base}${path}`, { signal: AbortSignal.timeout(CALL_MS) }).catch(
      (cause: unknown) => {
        const error = new CommandError(EXIT.offline, `No Jaeger answers at ${base}.`, [
          'docker compose up --wait   brings one along',
          '--jaeger <url>             names another one (env TWOTICK_JAEGER_URL)',
        ])
        error.cause = cause
        throw error
      },
    )
    if (response.status === 404) return []
    if (!response.ok) {
      throw new CommandError(EXIT.refused, `Jaeger at ${base} answers ${response.status}.`)
    }
    return spansOf((await response.json()) as Answer)
  }

  return {
    pageOf: (traceId) => `${base}/trace/${traceId}`,
    read: (traceId) => get(`/api/traces/${traceId}`),
    async linkedTo(traceId, sinceMs) {
      const found = await Promise.all(
        LINKING.map(([service, operation]) => {
          const times = { start: `${sinceMs * 1_000}`, end: `${Date.now() * 1_000}` }
          const query = { service, operation, ...times, limit: `${LINKING_MAX}` }
          return get(`/api/traces?${new URLSearchParams(query)}`)
        }),
      )
      const spans = new Map(found.flat().map((span) => [span.spanId, span]))
      const isLinked = (span: Span) => span.links.some((link) => link.traceId === traceId)
      const linking = new Set([...spans.values()].filter(isLinked).map((span) => span.traceId))
      return [...spans.values()].filter((span) => linking.has(span.traceId))
    },
  }
}

/** As Jaeger writes it: times in microseconds, parents and links both as references. */
interface Answer {
  readonly data: readonly {
    readonly spans: readonly {
      readonly traceID: string
      readonly spanID: string
      readonly operationName: string
      readonly references: readonly { refType: string; traceID: string; spanID: string }[]
      readonly startTime: number
      readonly duration: number
      readonly tags: readonly { readonly key: string; readonly value: unknown }[]
      readonly processID: string
    }[]
    readonly processes: Readonly<Record<string, { readonly serviceName: string }>>
  }[]
}

function spansOf({ data }: Answer): Span[] {
  return data.flatMap(({ spans, processes }) =>
    spans.map((span): Span => {
      const { traceID: traceId, spanID: spanId, references, tags } = span
      const isParent = (each: (typeof references)[number]) =>
        each.refType === 'CHILD_OF' && each.traceID === traceId
      const failed = tags.some(({ key, value }) => key === 'error' && value !== false)
      const problem = tags.find(({ key }) => key === 'otel.status_description')?.value
      return {
        traceId,
        spanId,
        parentId: references.find(isParent)?.spanID,
        links: references
          .filter((each) => !isParent(each))
          .map((each) => ({ traceId: each.traceID, spanId: each.spanID })),
        service: processes[span.processID]?.serviceName ?? '?',
        name: span.operationName,
        startMs: span.startTime / 1_000,
        durationMs: span.duration / 1_000,
        problem: failed ? String(problem ?? 'failed') : undefined,
      }
    }),
  )
}
