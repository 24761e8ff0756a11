// One port in front of any number of gateways, for `docker compose up --scale gateway=2`: passes
// WebSockets on and says whom they come from. It asks Docker's DNS who answers to the gateway's name,
// so replicas come and go without it. On Kubernetes an Ingress does this.
//
// A connection goes to the gateway with the fewest of them here; one that does not take it within 2 s
// is passed over. What a gateway answers, also a refusal to upgrade, comes back byte for byte.

import { lookup } from 'node:dns/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { listen, parseListen, run, type Scope, target, whole } from '@twotick/chassis'
import { z } from 'zod'

const CONNECT_MS = 2_000
const HEADER_MS = 10_000

const configSchema = z.object({
  listen: listen('where devices connect'),
  gatewayTarget: target('the gateway').regex(/^[^:\s]+:\d{1,5}$/, 'expected host:port'),
  connectionsMax: whole('connections', { default: 50_000 }),
})

type Config = z.infer<typeof configSchema>

await run('proxy', configSchema, async (config: Config, scope: Scope) => {
  const gateways = createGateways(config.gatewayTarget)
  const server = createServer({ headersTimeout: HEADER_MS, requestTimeout: HEADER_MS })
  server.maxConnections = config.connectionsMax

  /** The request as it came, with the address behind it, and then whatever either side says. */
  async function pass(request: IncomingMessage, device: Socket, first: Buffer): Promise<void> {
    device.on('error', () => device.destroy())
    const gateway = await gateways.connect()
    if (gateway === undefined || device.destroyed) {
      gateway?.destroy()
      device.end(
        'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
      )
      return
    }
    gateway.write(headOf(request))
    gateway.write(first)
    // An end of either is the end of both; nobody is left to be told why.
    pipeline(device, gateway, () => device.destroy())
    pipeline(gateway, device, () => gateway.destroy())
  }

  server.on('upgrade', (request, socket, first) => void pass(request, socket as Socket, first))
  server.on('request', (_request, response) => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket' })
    response.end('twotick: connect by WebSocket\n')
  })
  await listening(server, config.listen)
  scope.defer('server', () => {
    server.close()
    server.closeAllConnections()
  })
  scope.ready()
})

function listening(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(parseListen(address), resolve)
  })
}

function headOf(request: IncomingMessage): string {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`]
  const forwarded: string[] = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = request.rawHeaders.slice(at, at + 2)
    if (name.toLowerCase() === 'x-forwarded-for') forwarded.push(value)
    else lines.push(`${name}: ${value}`)
  }
  forwarded.push(request.socket.remoteAddress ?? '')
  return `${lines.join('\r\n')}\r\nX-Forwarded-For: ${forwarded.join(', ')}\r\n\r\n`
}

/** The gateways behind one name, and how many connections each has from here. */
function createGateways(target: string) {
  const { host, port } = parseListen(target)
  const counts = new Map<string, number>()
  const countOf = (address: string) => counts.get(address) ?? 0

  function add(address: string, difference: 1 | -1): void {
    const count = countOf(address) + difference
    if (count > 0) counts.set(address, count)
    else counts.delete(address)
  }

  return {
    /** A connection to the least busy one that takes it; undefined: none does. */
    async connect(): Promise<Socket | undefined> {
      const found = await lookup(host, { all: true }).catch(() => [])
      const addresses = found.map(({ address }) => address)
      for (const address of addresses.sort((a, b) => countOf(a) - countOf(b))) {
        add(address, 1)
        const socket = await connected(address, port)
        if (socket === undefined) add(address, -1)
        else {
          socket.once('close', () => add(address, -1))
          return socket
        }
      }
      return undefined
    },
  }
}

function connected(host: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    const late = setTimeout(() => socket.destroy(), CONNECT_MS)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => resolve(undefined))
    socket.once('connect', () => {
      clearTimeout(late)
      resolve(socket)
    })
  })
}
