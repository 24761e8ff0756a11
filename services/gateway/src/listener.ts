// Where devices connect: HTTP that upgrades to a WebSocket and does nothing else. Every bound that
// `ws` leaves open is set here.

import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseListen } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import { WebSocketServer } from 'ws'
import type { GatewayEvents } from './events.ts'
import { createTurn, type DeviceSocket, deviceSocket, FRAME_BYTES_MAX } from './socket.ts'

export const SUBPROTOCOL = 'twotick.v1'

const UPGRADE_MS = 10_000

/** For devices to answer the closing handshake. */
const CLOSE_MS = 1_000

export interface ListenerOptions {
  readonly listen: string
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
}

export interface Listener {
  readonly port: number
  /** All that are connected, in a session or not. */
  readonly sockets: ReadonlySet<DeviceSocket>
  /** Takes no new connection. */
  stop(): void
  /** Ends what is left. */
  close(): Promise<void>
}

export async function openListener(
  options: ListenerOptions,
  events: GatewayEvents,
  accept: (socket: DeviceSocket) => void,
): Promise<Listener> {
  const sockets = new Set<DeviceSocket>()
  const perAddress = new Map<string, number>()
  const atTurnEnd = createTurn()
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    // Twice the protocol's bound: what is only a little too large is answered with a reason.
    maxPayload: 2 * FRAME_BYTES_MAX,
    maxFragments: 64,
    maxBufferedChunks: 1_024,
    autoPong: false,
    clientTracking: false,
    handleProtocols: () => SUBPROTOCOL,
  })
  const http = createServer({ headersTimeout: UPGRADE_MS, requestTimeout: UPGRADE_MS })
  http.on('request', (request, response) => {
    const isRoot = request.method === 'GET' && request.url === '/'
    response.writeHead(isRoot ? 200 : 404, { 'content-type': 'text/plain', connection: 'close' })
    response.end(isRoot ? `twotick: connect by WebSocket, subprotocol ${SUBPROTOCOL}\n` : '')
  })
  http.on('upgrade', (request, raw, head) => {
    raw.on('error', () => raw.destroy())
    if (!offeredProtocols(request).includes(SUBPROTOCOL)) return refuse(raw, '400 Bad Request')
    if (sockets.size >= options.connectionsMax) return refuse(raw, '503 Service Unavailable')
    webSockets.handleUpgrade(request, raw, head, (ws) => {
      const address = request.socket.remoteAddress ?? ''
      const socket = deviceSocket(ws, raw, { address, atTurnEnd })
      const count = (perAddress.get(address) ?? 0) + 1
      sockets.add(socket)
      perAddress.set(address, count)
      events.connected(sockets.size)
      // The session has a handler of its own for the end; this one is the listener's.
      ws.on('close', () => {
        sockets.delete(socket)
        events.connected(sockets.size)
        const left = (perAddress.get(address) ?? 1) - 1
        if (left > 0) perAddress.set(address, left)
        else perAddress.delete(address)
      })
      if (count > options.connectionsPerAddressMax) {
        const code = RefusalCode.TOO_MANY_CONNECTIONS
        return socket.close({ $case: 'goodbye', value: { code, detail: '', retryAfterMs: 60_000 } })
      }
      accept(socket)
    })
  })
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(parseListen(options.listen), resolve)
  })

  return {
    port: (http.address() as AddressInfo).port,
    sockets,
    stop() {
      http.close()
      http.closeIdleConnections()
    },
    async close() {
      http.close()
      const goodbye = { code: RefusalCode.GOING_AWAY, detail: '', retryAfterMs: 1_000 }
      for (const socket of sockets) socket.close({ $case: 'goodbye', value: goodbye })
      const until = performance.now() + CLOSE_MS
      while (sockets.size > 0 && performance.now() < until) await sleep(10)
      for (const socket of sockets) socket.cut()
      http.closeAllConnections()
    },
  }
}

function offeredProtocols({ headers }: IncomingMessage): string[] {
  return (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
}

function refuse(raw: Duplex, status: string): void {
  raw.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
