// Jaeger's query API over what an OTLP receiver has got, in Jaeger's JSON: times in microseconds,
// parents and links as references, services as processes.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ReceivedSpan } from './receiver.ts'

const ERROR = 2

/** Listens on a free port. */
export async function openJaegerOf(spans: readonly ReceivedSpan[]) {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://jaeger')
    const traceId = /^\/api\/traces\/(\w+)$/.exec(url.pathname)?.[1]
    const ids = traceId === undefined ? search(spans, url.searchParams) : [traceId]
    const traces = ids.flatMap((id) => toTrace(spans.filter((span) => span.traceId === id)))
    const isMissing = traceId !== undefined && traces.length === 0
    response.writeHead(isMissing ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ data: traces, total: traces.length, errors: null }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

function search(spans: readonly ReceivedSpan[], asked: URLSearchParams): string[] {
  const [start, end] = [Number(asked.get('start')), Number(asked.get('end'))]
  const found = spans.filter((span) => {
    const at = microseconds(span.startTimeUnixNano)
    const isAsked = span.service === asked.get('service') && span.name === asked.get('operation')
    return isAsked && at >= start && at <= end
  })
  return [...new Set(found.map(({ traceId }) => traceId))].slice(0, Number(asked.get('limit')))
}

function toTrace(spans: readonly ReceivedSpan[]) {
  const [first] = spans
  if (first === undefined) return []
  const services = [...new Set(spans.map(({ service }) => service))]
  const processId = (service: string) => `p${services.indexOf(service) + 1}`
  return [
    {
      traceID: first.traceId,
      spans: spans.map((span) => ({
        traceID: span.traceId,
        spanID: span.spanId,
        operationName: span.name,
        references: referencesOf(span),
        startTime: microseconds(span.startTimeUnixNano),
        duration: microseconds(span.endTimeUnixNano) - microseconds(span.startTimeUnixNano),
        tags: tagsOf(span),
        logs: [],
        processID: processId(span.service),
        warnings: null,
      })),
      processes: Object.fromEntries(
        services.map((service) => [processId(service), { serviceName: service, tags: [] }]),
      ),
      warnings: null,
    },
  ]
}

function referencesOf({ traceId, parentSpanId, links = [] }: ReceivedSpan) {
  const parent = parentSpanId
    ? [{ refType: 'CHILD_OF', traceID: traceId, spanID: parentSpanId }]
    : []
  const linked = links.map((link) => ({
    refType: 'FOLLOWS_FROM',
    traceID: link.traceId,
    spanID: link.spanId,
  }))
  return [...parent, ...linked]
}

function tagsOf({ status }: ReceivedSpan) {
  if (status.code !== ERROR) return []
  return [
    { key: 'error', type: 'bool', value: true },
    { key: 'otel.status_description', type: 'string', value: status.message ?? '' },
  ]
}

function microseconds(unixNano: string): number {
  return Number(BigInt(unixNano) / 1_000n)
}
