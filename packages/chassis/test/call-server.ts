// Servers for calls that travel together, and clients that have them do so.

import { Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import {
  type AnswerFrame,
  type CallFrame,
  CallsService,
  EnvelopeStoreService,
} from '@twotick/protocol/services'
import { afterEach } from 'vitest'
import { type GrpcServer, joinCalls } from '../src/index.ts'
import { log, serveStore, storeClient } from './store-server.ts'

export type Exchange = ServerDuplexStream<CallFrame, AnswerFrame>

const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

/** As `serveStore`, until the test's end. */
export async function serve(...args: Parameters<typeof serveStore>): Promise<GrpcServer> {
  const server = await serveStore(...args)
  opened.push({ close: () => server.drain() })
  return server
}

const METHODS = ['getEpoch', 'getHeads', 'getStatus', 'expire'] as const

/** A client whose calls of METHODS travel together. */
export function client(port: number, service: Parameters<typeof storeClient>[1] = 'gateway') {
  const made = storeClient(port, service)
  opened.push(made, { close: joinCalls(made, EnvelopeStoreService, { methods: METHODS, log }) })
  return made
}

/** A server of grpc-js alone, which answers what it is given and nothing else. */
export async function serveBare(add: (server: Server) => void, address = '127.0.0.1:0') {
  const server = new Server()
  add(server)
  const close = () => server.forceShutdown()
  opened.push({ close })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return { port, close }
}

/** Answers calls that come on a stream; one that comes alone it does not know. */
export function addStream(
  server: Server,
  reply: () => Uint8Array,
  heard: (frame: CallFrame, call: Exchange) => void = () => undefined,
) {
  server.addService(CallsService, {
    exchange(call: Exchange) {
      call.sendMetadata(new Metadata())
      call.on('data', (frame: CallFrame) => {
        heard(frame, call)
        call.write({
          answers: frame.calls.map(({ id }) => ({ id, status: 0, details: '', reply: reply() })),
        })
      })
    },
  })
}
