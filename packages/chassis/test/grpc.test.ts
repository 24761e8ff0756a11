import { afterEach, expect, test } from 'vitest'
import { Failure, type GrpcServer, unary } from '../src/index.ts'
import { ackAll, secretFile, serveStore, storeClient } from './store-server.ts'

const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function serve(methods: Parameters<typeof serveStore>[0]): Promise<GrpcServer> {
  const server = await serveStore(methods)
  opened.push({ close: () => server.drain() })
  return server
}

function client(...args: Parameters<typeof storeClient>) {
  const made = storeClient(...args)
  opened.push(made)
  return made
}

const in1s = { deadlineMs: 1_000 }
const epoch = async () => ({ epoch: 'abc' })
const expiry = { epoch: '', afterAccountId: '', mailboxesMax: 1, entriesMax: 1 }

test('a method answers the callers of the table, and knows who calls', async () => {
  let caller = ''
  const server = await serve({
    getEpoch: async (_request, context) => {
      caller = context.caller
      return { epoch: 'abc' }
    },
  })
  expect(await unary(client(server.port, 'expiry'), 'getEpoch', {}, in1s)).toEqual({ epoch: 'abc' })
  expect(caller).toBe('expiry')
})

test('a caller that the table does not name, or with another secret, changes nothing', async () => {
  let calls = 0
  const server = await serve({
    expire: async () => {
      calls += 1
      return { epoch: '', nextAccountId: '', expired: 0, noticed: 0, refusal: undefined }
    },
  })
  await expect(unary(client(server.port, 'gateway'), 'expire', expiry, in1s)).rejects.toThrow(
    'PERMISSION_DENIED',
  )
  const stranger = client(server.port, 'expiry', secretFile('the secret of another'))
  await expect(unary(stranger, 'expire', expiry, in1s)).rejects.toThrow('UNAUTHENTICATED')
  expect(calls).toBe(0)
  await unary(client(server.port, 'expiry'), 'expire', expiry, in1s)
  expect(calls).toBe(1)
})

test('a stream too is refused to whom the table does not name', async () => {
  const server = await serve({ write: ackAll })
  const stream = client(server.port, 'expiry').write()
  const error = await new Promise<Error>((resolve) => stream.on('error', resolve).resume())
  expect(error.message).toContain('PERMISSION_DENIED')
})

test('a failure keeps its code; a bug is INTERNAL and tells nothing', async () => {
  const server = await serve({
    getEpoch: () => Promise.reject(new Failure('RESOURCE_EXHAUSTED', 'too much')),
    getHeads: () => Promise.reject(new Error('an account id, say')),
  })
  const gateway = client(server.port, 'gateway')
  await expect(unary(gateway, 'getEpoch', {}, in1s)).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
  })
  const bug = unary(gateway, 'getHeads', { epoch: '', devices: [] }, in1s)
  await expect(bug).rejects.toMatchObject({ code: 'INTERNAL' })
  await expect(bug).rejects.not.toThrow('account')
})

test('a call ends at its deadline, and by its signal; the server learns of both', async () => {
  const ended: string[] = []
  let entered = 0
  const server = await serve({
    getEpoch: (_request, { signal }) =>
      new Promise((_resolve, reject) => {
        entered += 1
        signal.addEventListener('abort', () => {
          ended.push('aborted')
          reject(new Failure('UNAVAILABLE', 'given up'))
        })
      }),
  })
  const gateway = client(server.port, 'gateway')
  await unary(gateway, 'getHeads', { epoch: '', devices: [] }, in1s).catch(() => 'connected')
  await expect(unary(gateway, 'getEpoch', {}, { deadlineMs: 50 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
  })
  const stop = new AbortController()
  const call = unary(gateway, 'getEpoch', {}, { deadlineMs: 5_000, signal: stop.signal })
  await expect.poll(() => entered).toBe(2)
  stop.abort(new Error('stopping'))
  await expect(call).rejects.toThrow('stopping')
  await expect(
    unary(gateway, 'getEpoch', {}, { deadlineMs: 5_000, signal: stop.signal }),
  ).rejects.toThrow('stopping')
  await expect.poll(() => ended).toEqual(['aborted', 'aborted'])
})

test('without a server a call waits, no longer than its deadline, and goes through once it is back', async () => {
  const first = await serveStore({ getEpoch: epoch })
  const gateway = client(first.port, 'gateway')
  await unary(gateway, 'getEpoch', {}, in1s)
  await first.drain()
  const askedAt = Date.now()
  await expect(unary(gateway, 'getEpoch', {}, { deadlineMs: 300 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
  })
  expect(Date.now() - askedAt).toBeLessThan(1_000)

  const waiting = unary(gateway, 'getEpoch', {}, { deadlineMs: 5_000 })
  const second = await serveStore({ getEpoch: epoch }, `127.0.0.1:${first.port}`)
  opened.push({ close: () => second.drain() })
  expect(await waiting).toEqual({ epoch: 'abc' })
})

test('draining finishes the call in flight and takes no other', async () => {
  const entered = Promise.withResolvers<undefined>()
  const leave = Promise.withResolvers<undefined>()
  const server = await serveStore({
    getEpoch: async () => {
      entered.resolve(undefined)
      await leave.promise
      return { epoch: 'abc' }
    },
  })
  const gateway = client(server.port, 'gateway')
  const inFlight = unary(gateway, 'getEpoch', {}, in1s)
  await entered.promise
  const drained = server.drain()
  await expect(unary(client(server.port, 'gateway'), 'getEpoch', {}, in1s)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  })
  leave.resolve(undefined)
  expect(await inFlight).toEqual({ epoch: 'abc' })
  await drained
})
