// What an orchestrator asks: /healthz (the process lives) and /readyz (it takes work).

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseListen } from './field.ts'

export interface HealthServer {
  readonly port: number
  close(): Promise<void>
}

export async function serveHealth(address: string, isReady: () => boolean): Promise<HealthServer> {
  const server = createServer({ requestTimeout: 5_000 }, (request, response) => {
    const status =
      request.url === '/healthz' ? 200 : request.url !== '/readyz' ? 404 : isReady() ? 200 : 503
    response.writeHead(status, { 'content-type': 'text/plain' })
    response.end(`${status === 200 ? 'ok' : status === 503 ? 'not ready' : 'not found'}\n`)
  })
  server.maxConnections = 64
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(parseListen(address), resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
