// Goal: calls that travel together mean what they mean alone, and go alone where they must.

import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import {
  EnvelopeStoreService,
  GetEpochReply,
  GetHeadsReply,
  type GetHeadsRequest,
} from '@twotick/protocol/services'
import { expect, test } from 'vitest'
import { Failure, unary } from '../src/index.ts'
import { addStream, client, serve, serveBare } from './call-server.ts'

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
  const unwritten = unary(store, 'expire', request, in1s)
  await expect(unwritten).rejects.toMatchObject({ code: 'INTERNAL' })
  await expect(unwritten).rejects.toThrow('not an unsigned')
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
  await expect(unary(other, 'expire', expiry, in1s)).rejects.toThrow('not for expiry')
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
