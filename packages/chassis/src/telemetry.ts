// Telemetry: `node --import @twotick/chassis/telemetry …` prepares it before anything else is loaded.
//
//   metrics  always, for Prometheus to read at /metrics of the health port (health.ts); each with
//            OTEL_SERVICE_NAME in the label service_name
//   traces   if OTEL_EXPORTER_OTLP_ENDPOINT is set, by OTLP to there; else the SDK is not even
//            loaded, and beginning a span does nothing
//
// Everything else about traces is configured by the OTEL_ variables of their specification.
// OTEL_SDK_DISABLED=true leaves out both.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { metrics } from '@opentelemetry/api'
import type { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { measureProcess } from './process-metrics.ts'

let stop: () => Promise<void> = async () => undefined
let page: PrometheusExporter | undefined

if (process.env['OTEL_SDK_DISABLED'] !== 'true') {
  const { PrometheusExporter } = await import('@opentelemetry/exporter-prometheus')
  page = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
    withResourceConstantLabels: /^service\.name$/,
  })
  if (process.env['OTEL_EXPORTER_OTLP_ENDPOINT']) {
    process.env['OTEL_LOGS_EXPORTER'] ??= 'none'
    // Not the process' command line, its user and its host.
    process.env['OTEL_NODE_RESOURCE_DETECTORS'] ??= 'env,serviceinstance'
    const { NodeSDK } = await import('@opentelemetry/sdk-node')
    const sdk = new NodeSDK({ metricReaders: [page] })
    sdk.start()
    stop = () => sdk.shutdown()
  } else {
    const { MeterProvider } = await import('@opentelemetry/sdk-metrics')
    const { resourceFromAttributes } = await import('@opentelemetry/resources')
    const resource = resourceFromAttributes({ 'service.name': process.env['OTEL_SERVICE_NAME'] })
    metrics.setGlobalMeterProvider(new MeterProvider({ resource, readers: [page] }))
  }
  measureProcess()
}

/** Answers with the metrics, as Prometheus reads them. */
export function answerMetrics(request: IncomingMessage, response: ServerResponse): void {
  if (page !== undefined) return page.getMetricsRequestHandler(request, response)
  response.writeHead(404).end()
}

/** Sends what is not sent yet, for 2 s at most. What cannot be sent is dropped. */
export async function stopTelemetry(): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, 2_000).unref())
  await Promise.race([stop().catch(() => undefined), late])
}
