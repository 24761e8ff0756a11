// The images' health check, where there is no shell and no curl: exit code 0 if what serves
// TWOTICK_HEALTH_LISTEN is ready.

const listen = process.env['TWOTICK_HEALTH_LISTEN'] ?? ''
const port = listen.slice(listen.lastIndexOf(':') + 1)

const isReady = await fetch(`http://127.0.0.1:${port}/readyz`, {
  signal: AbortSignal.timeout(2_000),
}).then(
  (reply) => reply.ok,
  () => false,
)
process.exitCode = isReady ? 0 : 1
