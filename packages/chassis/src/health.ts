// What an orchestrator asks: whether the process lives, and whether it takes work. On one port, in
// the clear and to anybody, in the two ways in which orchestrators ask:
//
//   HTTP    /healthz                   /readyz
//   gRPC    Check(service: liveness)   Check(service: '')       grpc.health.v1, without TLS
//
// And what Prometheus asks, at /metrics.
//
// Living depends on nothing: a service whose database is down is not helped by being killed.

import {
  Server as GrpcServer,
  type handleUnaryCall,
  ServerCredentials,
  status,
} from '@grpc/grpc-js'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthService,
} from '@twotick/protocol/services'
import { parseListen } from './field.ts'
import { answerMetrics } from './telemetry.ts'

const IDLE_MS = 60_000
const CONNECTIONS_MAX = 64

/** What an HTTP/2 connection begins with, and no HTTP/1 request does. */
const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0')

export interface HealthServer {
  readonly port: number
  close(): Promise<void>
}

export async function serveHealth(address: string, isReady: () => boolean): Promise<HealthServer> {
  const http = httpServer(isReady)
  const grpc = grpcServer(isReady)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.setTimeout(IDLE_MS, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.once('readable', () => {
      const first = (socket.read() as Buffer | null) ?? Buffer.alloc(0)
      socket.unshift(first)
      const preface = HTTP2_PREFACE.subarray(0, first.length)
      if (first.length > 2 && first.subarray(0, preface.length).equals(preface)) grpc.take(socket)
      else http.emit('connection', socket)
    })
  })
  server.maxConnections = CONNECTIONS_MAX
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(parseListen(address), resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        grpc.end()
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function httpServer(isReady: () => boolean) {
  return createHttpServer({ requestTimeout: 5_000 }, (request, response) => {
    if (request.url === '/metrics') return answerMetrics(request, response)
    const code =
      request.url === '/healthz' ? 200 : request.url !== '/readyz' ? 404 : isReady() ? 200 : 503
    response.writeHead(code, { 'content-type': 'text/plain' })
    response.end(`${code === 200 ? 'ok' : code === 503 ? 'not ready' : 'not found'}\n`)
  })
}

function grpcServer(isReady: () => boolean) {
  const server = new GrpcServer({ 'grpc.max_receive_message_length': 4_096 })
  const answers = new Map([
    ['', isReady],
    ['liveness', () => true],
  ])
  const check: handleUnaryCall<HealthCheckRequest, HealthCheckResponse> = ({ request }, answer) => {
    const isServing = answers.get(request.service)
    if (isServing === undefined) answer({ code: status.NOT_FOUND, details: 'no such service' })
    else answer(null, { status: isServing() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING })
  }
  server.addService(HealthService, { check })
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  return {
    take: (socket: Socket) => injector.injectConnection(socket),
    end: () => server.forceShutdown(),
  }
}
