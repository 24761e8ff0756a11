import { afterEach, expect, test } from 'vitest'
import {
  ackAll,
  log,
  serveStore,
  storeClient,
} from '../../../packages/chassis/test/store-server.ts'
import { createEpochs } from '../src/epoch.ts'
import { openWrites } from '../src/writes.ts'

const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

test('acks that fail entries, which have a queue of their own, hold up no other write', async () => {
  const server = await serveStore({
    write: (request, answer) =>
      request.acks.some(({ failed }) => failed.length > 0)
        ? new Promise(() => undefined)
        : ackAll(request, answer),
  })
  const client = storeClient(server.port, 'gateway')
  const bounds = { deadlineMs: 1_000, inFlightMax: 10, inFlightBytesMax: 10_000, log }
  const writes = openWrites(client, createEpochs(), bounds)
  opened.push({ close: () => server.drain() }, client, writes)
  const ack = { id: 0, device: undefined, seq: 1, failed: [], names: [] }
  expect((await writes.ack('e', ack)).$case).toBe('acked')

  const failing = writes.ack('e', { ...ack, failed: [1] })
  await new Promise((resolve) => setTimeout(resolve, 20))
  const first = await Promise.race([failing, writes.ack('e', { ...ack, seq: 2 })])
  expect(first.$case).toBe('acked')
  expect((await failing).$case).toBe('unknown')
})
