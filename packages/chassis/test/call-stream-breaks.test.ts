// Goal: calls that travel together outlive their stream, as far as their deadlines let them, and are
// bounded in number.

import { Metadata } from '@grpc/grpc-js'
import { CallsService, GetHeadsReply } from '@twotick/protocol/services'
import { expect, test } from 'vitest'
import { type Failure, unary } from '../src/index.ts'
import { addStream, client, type Exchange, serve, serveBare } from './call-server.ts'
import { serveStore } from './store-server.ts'

const in1s = { deadlineMs: 1_000 }
const epoch = async () => ({ epoch: 'abc' })
const headsOf = (name: string) => ({ epoch: name, devices: [] })
const noHeads = (name: string): GetHeadsReply => ({ epoch: name, heads: [], refusal: undefined })

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

test('what a server that leaves does not answer is asked again on the next stream', async () => {
  const asked = Promise.withResolvers<undefined>()
  const leaving = await serveStore({
    getEpoch: () => {
      asked.resolve(undefined)
      return new Promise(() => undefined)
    },
  })
  const store = client(leaving.port)
  const inTime = { deadlineMs: 5_000 }
  const before = unary(store, 'getEpoch', {}, inTime)
  await asked.promise
  const leftAt = performance.now()
  const left = leaving.drain()
  const during = unary(store, 'getEpoch', {}, inTime)
  await left
  expect(performance.now() - leftAt).toBeLessThan(900) // it may drain for a second
  await serve({ getEpoch: epoch }, `127.0.0.1:${leaving.port}`)
  expect(await Promise.all([before, during])).toEqual([{ epoch: 'abc' }, { epoch: 'abc' }])
})

test('a call that goes under with each stream ends after three', async () => {
  let times = 0
  const { port } = await serveBare((server) =>
    server.addService(CallsService, {
      exchange(call: Exchange) {
        call.sendMetadata(new Metadata())
        call.on('data', () => {
          times += 1
          call.end()
        })
      },
    }),
  )
  const call = unary(client(port), 'getEpoch', {}, { deadlineMs: 5_000 })
  await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(times).toBe(3)
})

test('while the server does not read, calls wait here, and go on when it does', async () => {
  let isReading = false
  const reply = GetHeadsReply.encode(noHeads('read')).finish()
  let paused: Exchange | undefined
  let heard = 0
  const { port } = await serveBare((server) =>
    addStream(
      server,
      () => reply,
      ({ calls }, call) => {
        heard += calls.length
        if (!isReading) call.pause()
        paused = call
      },
    ),
  )
  const store = client(port)
  const long = headsOf('x'.repeat(200_000)) // a frame each: more than grpc-js and HTTP/2 hold
  const calls = Array.from({ length: 100 }, () =>
    unary(store, 'getHeads', long, { deadlineMs: 300 }).then(
      () => 'answered',
      () => 'late',
    ),
  )
  const said = await Promise.all(calls)
  expect(said).toContain('late')
  const heardLate = heard
  isReading = true
  paused?.resume()
  expect(await unary(store, 'getHeads', headsOf('next'), in1s)).toEqual(noHeads('read'))
  // What was late before it was passed on is asked of nobody.
  expect(heard - heardLate).toBeLessThan(50)
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
