// Goal: calls that travel together mean what they mean alone, and go alone where they cannot.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js'
import {
  type AnswerFrame,
  type CallFrame,
  CallsService,
  EnvelopeStoreService,
  GetEpochReply,
  GetHeadsReply,
  type GetHeadsRequest,
} from '@twotick/protocol/services'
import { afterEach, expect, test } from 'vitest'
import { Failure, type GrpcServer, unary } from '../src/index.ts'
import { serveStore, storeClient } from './store-server.ts'

const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function serve(...args: Parameters<typeof serveStore>): Promise<GrpcServer> {
  const server = await serveStore(...args)
  opened.push({ close: () => server.drain() })
  return server
}

const METHODS = ['getEpoch', 'getHeads', 'getStatus', 'expire'] as const

function client(port: number, service: Parameters<typeof storeClient>[1] = 'gateway') {
  const made = storeClient(port, service, { together: METHODS })
  opened.push(made)
  return made
}

/** A server of grpc-js alone, which answers what it is given and nothing else. */
async function serveBare(add: (server: Server) => void, address = '127.0.0.1:0') {
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
function addStream(
  server: Server,
  reply: () => Uint8Array,
  heard: (frame: CallFrame) => void = () => undefined,
) {
  server.addService(CallsService, {
    exchange(call: ServerDuplexStream<CallFrame, AnswerFrame>) {
      call.sendMetadata(new Metadata())
      call.on('data', (frame: CallFrame) => {
        heard(frame)
        call.write({
          answers: frame.calls.map(({ id }) => ({ id, status: 0, details: '', reply: reply() })),
        })
      })
    },
  })
}

const in1s = { deadlineMs: 1_000 }
const epoch = async () => ({ epoch: 'abc' })
const headsOf = (name: string) => ({ epoch: name, devices: [] })
const noHeads = (name: string): GetHeadsReply => ({ epoch: name, heads: [], refusal: undefined })
const expiry = { epoch: '', afterAccountId: '', mailboxesMax: 1, entriesMax: 1 }

test('they travel on the stream: what is called in one turn in one frame', async () => {
  const frames: string[][] = []
  const reply = GetEpochReply.encode({ epoch: 'streamed' }).finish()
  const { port } = await serveBare((server) =>
    addStream(
      server,
      () => reply,
      ({ calls }) => frames.push(calls.map(({ method }) => method)),
    ),
  )
  const store = client(port)
  const both = [unary(store, 'getEpoch', {}, in1s), unary(store, 'getEpoch', {}, in1s)]
  expect(await Promise.all(both)).toEqual([{ epoch: 'streamed' }, { epoch: 'streamed' }])
  const method = '/twotick.v1.EnvelopeStore/GetEpoch'
  expect(frames).toEqual([[method, method]])
})

test('a reply that cannot be read, or a request that cannot be written, is that call’s own', async () => {
  let reply = Buffer.from([0xff])
  const { port } = await serveBare((server) => addStream(server, () => reply))
  const store = client(port)
  await expect(unary(store, 'getEpoch', {}, in1s)).rejects.toMatchObject({ code: 'INTERNAL' })
  const request = { ...expiry, mailboxesMax: -1 }
  await expect(unary(store, 'expire', request, { deadlineMs: 20 })).rejects.toThrow(
    'not an unsigned',
  )
  await sleep(40) // past its deadline: nothing is left of it
  reply = Buffer.from(GetEpochReply.encode({ epoch: 'abc' }).finish())
  expect(await unary(store, 'getEpoch', {}, in1s)).toEqual({ epoch: 'abc' })
})

test('a slow one holds up no other, and each gets its own answer', async () => {
  const slow = Promise.withResolvers<GetHeadsReply>()
  const server = await serve({
    getEpoch: epoch,
    getHeads: ({ epoch: name }) =>
      name === 'slow' ? slow.promise : Promise.resolve(noHeads(name)),
  })
  const store = client(server.port)
  const first = unary(store, 'getHeads', headsOf('slow'), in1s)
  expect(await unary(store, 'getHeads', headsOf('quick'), in1s)).toEqual(noHeads('quick'))
  expect(await unary(store, 'getEpoch', {}, in1s)).toEqual({ epoch: 'abc' })
  slow.resolve(noHeads('slow'))
  expect(await first).toEqual(noHeads('slow'))
})

test('a failure keeps its code, a bug is INTERNAL; neither ends anything else', async () => {
  const slow = Promise.withResolvers<{ epoch: string }>()
  const server = await serve({
    getEpoch: () => slow.promise,
    getHeads: () => Promise.reject(new Failure('RESOURCE_EXHAUSTED', 'too much')),
    getStatus: () => Promise.reject(new Error('an account id, say')),
  })
  const store = client(server.port)
  const under = unary(store, 'getEpoch', {}, in1s)
  await expect(unary(store, 'getHeads', headsOf(''), in1s)).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
  })
  const question = { epoch: '', asker: undefined, recipientAccountId: '', items: [] }
  const bug = unary(store, 'getStatus', question, in1s)
  await expect(bug).rejects.toMatchObject({ code: 'INTERNAL' })
  await expect(bug).rejects.not.toThrow('account')
  slow.resolve({ epoch: 'abc' })
  expect(await under).toEqual({ epoch: 'abc' })
})

test('each is allowed to whom it is allowed alone', async () => {
  let expired = 0
  const server = await serve({
    getEpoch: epoch,
    expire: async () => {
      expired += 1
      return { epoch: '', nextAccountId: '', expired: 0, noticed: 0, refusal: undefined }
    },
  })
  const store = client(server.port)
  await expect(unary(store, 'expire', expiry, in1s)).rejects.toThrow('not for gateway')
  expect(await unary(store, 'getEpoch', {}, in1s)).toEqual({ epoch: 'abc' })
  // Nobody else travels so at all.
  const other = client(server.port, 'expiry')
  await expect(unary(other, 'expire', expiry, { deadlineMs: 300 })).rejects.toThrow('no answer')
  expect(expired).toBe(0)
})

test('a call ends at its deadline, and by its signal; a later answer is nobody’s', async () => {
  const slow = Promise.withResolvers<{ epoch: string }>()
  const server = await serve({
    getEpoch: () => slow.promise,
    getHeads: ({ epoch: name }) => Promise.resolve(noHeads(name)),
  })
  const store = client(server.port)
  await expect(unary(store, 'getEpoch', {}, { deadlineMs: 50 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
  })
  const stop = new AbortController()
  const call = unary(store, 'getEpoch', {}, { deadlineMs: 5_000, signal: stop.signal })
  stop.abort(new Error('stopping'))
  await expect(call).rejects.toThrow('stopping')
  slow.resolve({ epoch: 'too late' })
  expect(await unary(store, 'getHeads', headsOf('next'), in1s)).toEqual(noHeads('next'))
})

test('without a server a call waits, no longer than its deadline, and goes through once it is back', async () => {
  const first = await serveStore({ getEpoch: epoch })
  const store = client(first.port)
  await unary(store, 'getEpoch', {}, in1s)
  await first.drain()
  await expect(unary(store, 'getEpoch', {}, { deadlineMs: 300 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
  })
  const waiting = unary(store, 'getEpoch', {}, { deadlineMs: 5_000 })
  await serve({ getEpoch: epoch }, `127.0.0.1:${first.port}`)
  expect(await waiting).toEqual({ epoch: 'abc' })
})

test('what has no answer when the stream breaks is asked again on the next one', async () => {
  const asked = Promise.withResolvers<undefined>()
  const stuck = await serveStore({
    getEpoch: () => {
      asked.resolve(undefined)
      return new Promise(() => undefined)
    },
  })
  const store = client(stuck.port)
  const call = unary(store, 'getEpoch', {}, { deadlineMs: 5_000 })
  await asked.promise
  await stuck.drain() // its second for what is in flight passes, then the connection is cut
  await serve({ getEpoch: epoch }, `127.0.0.1:${stuck.port}`)
  expect(await call).toEqual({ epoch: 'abc' })
})

test('draining answers what is in flight', async () => {
  const entered = Promise.withResolvers<undefined>()
  const leave = Promise.withResolvers<undefined>()
  const server = await serveStore({
    getEpoch: async () => {
      entered.resolve(undefined)
      await leave.promise
      return { epoch: 'abc' }
    },
  })
  const call = unary(client(server.port), 'getEpoch', {}, in1s)
  await entered.promise
  const drained = server.drain()
  leave.resolve(undefined)
  expect(await call).toEqual({ epoch: 'abc' })
  await drained
})

test('at a server of an older release calls go alone, and together once it is of this one', async () => {
  const old = await serveBare((server) =>
    server.addService(EnvelopeStoreService, {
      getHeads: (
        { request }: ServerUnaryCall<GetHeadsRequest, GetHeadsReply>,
        done: sendUnaryData<GetHeadsReply>,
      ) => done(null, noHeads(`${request.epoch}, alone`)),
    }),
  )
  const store = client(old.port)
  for (const name of ['first', 'second']) {
    expect(await unary(store, 'getHeads', headsOf(name), in1s)).toEqual(noHeads(`${name}, alone`))
  }
  old.close()
  const reply = GetHeadsReply.encode(noHeads('together')).finish()
  await serveBare((server) => addStream(server, () => reply), `127.0.0.1:${old.port}`)
  const ask = () =>
    unary(store, 'getHeads', headsOf('third'), in1s).catch((error: unknown) => error)
  await expect.poll(ask, { timeout: 5_000 }).toEqual(noHeads('together'))
})

test('there are no more under way than its bound', async () => {
  const store = client(1) // nobody listens there
  const ended = { DEADLINE_EXCEEDED: 0, RESOURCE_EXHAUSTED: 0 }
  const calls = Array.from({ length: 100_001 }, () =>
    unary(store, 'getEpoch', {}, { deadlineMs: 500 }).catch((error: unknown) => {
      ended[(error as Failure).code as keyof typeof ended] += 1
    }),
  )
  await Promise.all(calls)
  expect(ended).toEqual({ DEADLINE_EXCEEDED: 100_000, RESOURCE_EXHAUSTED: 1 })
})
