// Goal: services may start in any order without a warning; one that leaves, or stays away, has one.

import type { WriteReply, WriteRequest } from '@twotick/protocol/services'
import { afterEach, expect, test, vi } from 'vitest'
import { freePort } from '../../../scripts/servers/free-port.ts'
import { createLog } from '../src/index.ts'
import { keepStream } from '../src/kept-stream.ts'
import { serveStore, storeClient } from './store-server.ts'

const opened: { close(): void }[] = []

afterEach(() => {
  for (const one of opened.splice(0).reverse()) one.close()
})

function keepWriteStream(port: number) {
  const client = storeClient(port, 'gateway')
  const log = createLog('test', 'silent')
  const warn = vi.spyOn(log, 'warn')
  const onOpen = vi.fn()
  const onBroken = vi.fn()
  const stream = keepStream<WriteRequest, WriteReply>({
    open: () => client.write(),
    log,
    onOpen,
    onBroken,
    onReply: () => undefined,
  })
  opened.push(client, stream)
  return { onOpen, onBroken, warnings: () => warn.mock.calls.map(([, message]) => message) }
}

test('a server that comes later is no warning, and one that leaves is', async () => {
  const port = await freePort()
  const { onOpen, onBroken, warnings } = keepWriteStream(port)
  await vi.waitFor(() => expect(onBroken.mock.calls.length).toBeGreaterThan(2), 5_000)
  const server = await serveStore({}, `127.0.0.1:${port}`)
  await vi.waitFor(() => expect(onOpen).toHaveBeenCalledOnce(), 5_000)
  expect(warnings()).toEqual([])
  await server.drain()
  await vi.waitFor(() => expect(warnings()).toEqual(['the stream broke']), 5_000)
})

test('a server that stays away is one warning', async () => {
  const { onBroken, warnings } = keepWriteStream(await freePort())
  await vi.waitFor(() => expect(onBroken.mock.calls.length).toBeGreaterThan(25), 20_000)
  expect(warnings()).toEqual(['the stream could not be opened yet'])
}, 30_000)
