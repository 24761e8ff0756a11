// An OTLP/HTTP receiver: what a collector would get, as spans that tests can ask about.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

export interface ReceivedSpan {
  readonly service: string
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status: { readonly code: number; readonly message?: string }
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly attributes?: readonly { readonly key: string; readonly value: unknown }[]
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: {
      readonly attributes: readonly { key: string; value: { stringValue?: string } }[]
    }
    readonly scopeSpans: readonly { readonly spans: readonly Omit<ReceivedSpan, 'service'>[] }[]
  }[]
}

/** Listens on a free port; give `env` to the services that are to send their spans here. */
export async function openReceiver() {
  const spans: ReceivedSpan[] = []
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      for (const { resource, scopeSpans } of (body as Export).resourceSpans) {
        const named = resource.attributes.find(({ key }) => key === 'service.name')
        const service = named?.value.stringValue ?? ''
        for (const scope of scopeSpans) {
          spans.push(...scope.spans.map((span) => ({ ...span, service })))
        }
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    spans,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

/** A span as `service name`. */
export function titleOf({ service, name }: ReceivedSpan): string {
  return `${service} ${name}`
}

/** The edges of one trace, parent -> child, each once. */
export function edgesOf(spans: readonly ReceivedSpan[], traceId: string): Set<string> {
  const own = spans.filter((span) => span.traceId === traceId)
  const byId = new Map(own.map((span) => [span.spanId, span]))
  return new Set(
    own.flatMap((span) => {
      const parent = byId.get(span.parentSpanId ?? '')
      return parent === undefined ? [] : [`${titleOf(parent)} -> ${titleOf(span)}`]
    }),
  )
}

/** The spans that are linked to one of a trace, and to which. */
export function linksTo(spans: readonly ReceivedSpan[], traceId: string): Set<string> {
  return new Set(
    spans.flatMap((span) =>
      (span.links ?? [])
        .filter((link) => link.traceId === traceId)
        .map(({ spanId }) => {
          const target = spans.find((each) => each.traceId === traceId && each.spanId === spanId)
          return `${titleOf(span)} => ${target === undefined ? 'nothing' : titleOf(target)}`
        }),
    ),
  )
}
