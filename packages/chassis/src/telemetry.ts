// Telemetry: `node --import @twotick/chassis/telemetry …` starts the OpenTelemetry SDK before
// anything else is loaded, if OTEL_EXPORTER_OTLP_ENDPOINT is set. Everything about it is configured
// by the OTEL_ variables of its specification. Without an endpoint the SDK is not even loaded and
// the API's calls do nothing.

let stop: () => Promise<void> = async () => undefined

if (process.env['OTEL_EXPORTER_OTLP_ENDPOINT']) {
  const { NodeSDK } = await import('@opentelemetry/sdk-node')
  const sdk = new NodeSDK()
  sdk.start()
  stop = () => sdk.shutdown()
}

/** Sends what is not sent yet, for 2 s at most. What cannot be sent is dropped. */
export async function stopTelemetry(): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, 2_000).unref())
  await Promise.race([stop().catch(() => undefined), late])
}
