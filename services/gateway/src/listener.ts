// Where devices connect: HTTP that upgrades to a WebSocket and does nothing else. Every bound that
// `ws` leaves open is set here.

import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, BlockList } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseListen } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import { type WebSocket, WebSocketServer } from 'ws'
import { clientAddress } from './client-address.ts'
import {
  createTurn,
  type DeviceSocket,
  deviceSocket,
  type DownFrame,
  FRAME_BYTES_MAX,
} from './socket.ts'

export const SUBPROTOCOL = 'twotick.v1'

const UPGRADE_MS = 10_000

/** Connections beyond the bound that are still told so. */
const CONNECTIONS_SPARE = 256

/** For devices to answer the closing handshake. */
const CLOSE_MS = 1_000

export interface ListenerOptions {
  readonly listen: string
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
  /** Whose X-Forwarded-For is believed. */
  readonly trustedProxies: BlockList
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

export interface ListenerParts {
  accept(socket: DeviceSocket): void
  /** Not accepted: there are too many connections, of its address or altogether. */
  refused(code: RefusalCode): void
}

export async function openListener(
  options: ListenerOptions,
  { accept, refused }: ListenerParts,
): Promise<Listener> {
  const sockets = new Set<DeviceSocket>()
  const perAddress = createCounts()
  const atTurnEnd = createTurn()
  const webSockets = webSocketServer()
  const http = createServer({
    headersTimeout: UPGRADE_MS,
    requestTimeout: UPGRADE_MS,
    connectionsCheckingInterval: UPGRADE_MS / 2,
  })
  // Also of those that never upgrade.
  http.maxConnections = options.connectionsMax + CONNECTIONS_SPARE

  function connected(ws: WebSocket, raw: Duplex, address: string) {
    const socket = deviceSocket(ws, raw, { address, atTurnEnd })
    const count = perAddress.add(address)
    sockets.add(socket)
    // The session has a handler of its own for the end; this one is the listener's.
    ws.on('close', () => {
      sockets.delete(socket)
      perAddress.take(address)
    })
    if (count <= options.connectionsPerAddressMax) return accept(socket)
    refused(RefusalCode.TOO_MANY_CONNECTIONS)
    socket.close(goodbye(RefusalCode.TOO_MANY_CONNECTIONS, 60_000))
  }

  http.on('request', (request, response) => {
    const isRoot = request.method === 'GET' && request.url === '/'
    response.writeHead(isRoot ? 200 : 404, { 'content-type': 'text/plain', connection: 'close' })
    response.end(isRoot ? `twotick: connect by WebSocket, subprotocol ${SUBPROTOCOL}\n` : '')
  })
  http.on('upgrade', (request, raw, head) => {
    raw.on('error', () => raw.destroy())
    if (!offeredProtocols(request).includes(SUBPROTOCOL)) return refuse(raw, '400 Bad Request')
    if (sockets.size >= options.connectionsMax) {
      refused(RefusalCode.TOO_MANY_CONNECTIONS)
      return refuse(raw, '503 Service Unavailable')
    }
    const peer = request.socket.remoteAddress ?? ''
    const forwardedFor = request.headers['x-forwarded-for']
    const address = clientAddress(peer, forwardedFor, options.trustedProxies)
    webSockets.handleUpgrade(request, raw, head, (ws) => connected(ws, raw, address))
  })
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(parseListen(options.listen), resolve)
  })

  return {
    port: (http.address() as AddressInfo).port,
    sockets,
    stop: () => void http.close(),
    async close() {
      http.close()
      for (const socket of sockets) socket.close(goodbye(RefusalCode.GOING_AWAY, 1_000))
      const until = performance.now() + CLOSE_MS
      while (sockets.size > 0 && performance.now() < until) await sleep(10)
      for (const socket of sockets) socket.cut()
      http.closeAllConnections()
    },
  }
}

function webSocketServer() {
  return new WebSocketServer({
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
}

/** How many there are of each; nothing is kept of those of which there are none. */
function createCounts() {
  const counts = new Map<string, number>()
  return {
    add(key: string): number {
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      return count
    },
    take(key: string) {
      const left = (counts.get(key) ?? 1) - 1
      if (left > 0) counts.set(key, left)
      else counts.delete(key)
    },
  }
}

function goodbye(code: RefusalCode, retryAfterMs: number): DownFrame {
  return { $case: 'goodbye', value: { code, detail: '', retryAfterMs } }
}

function offeredProtocols({ headers }: IncomingMessage): string[] {
  return (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
}

function refuse(raw: Duplex, status: string): void {
  raw.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
