// Goal: a line passes everything on, and each impairment does just what it says until it is healed.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { waitFor } from '../wait.ts'
import { type Line, openLine } from './line.ts'
import { listenOnLoopback } from './listen.ts'

const echo = createServer((socket) => {
  served = socket
  socket.pipe(socket).on('error', () => undefined)
})
let served: Socket
let line: Line
let client: Socket

beforeEach(async () => {
  const port = echo.listening ? portOf() : await listenOnLoopback(echo)
  line = await openLine({ name: 'a > b', upstream: () => ({ port }) })
  client = connect(line.port, '127.0.0.1').setNoDelay()
  await once(client, 'connect')
})

afterEach(async () => {
  client.destroy()
  await line.close()
  if (echo.listening) echo.close()
})

function portOf(): number {
  const address = echo.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function echoed(text: string): Promise<number> {
  const since = performance.now()
  client.write(text)
  let heard = ''
  while (heard.length < text.length) heard += String((await once(client, 'data'))[0])
  expect(heard).toBe(text)
  return performance.now() - since
}

it('passes what comes, both ways', async () => {
  await echoed('hello')
  expect(line.connections()).toBe(1)
})

it('latency is added in each direction', async () => {
  line.impair({ latencyMs: 60 })
  expect(await echoed('slow')).toBeGreaterThanOrEqual(118)
})

it('a throttled line takes its time', async () => {
  line.impair({ bytesPerSecond: 10_000 })
  expect(await echoed('x'.repeat(1_000))).toBeGreaterThanOrEqual(98)
})

it.each(['up', 'down', 'both'] as const)('what is held %s passes after healing', async (holds) => {
  line.impair({ holds })
  const passed = echoed('held')
  const heard = await Promise.race([
    passed.then(() => true),
    new Promise((resolve) => setTimeout(resolve, 50, false)),
  ])
  expect(heard).toBe(false)
  line.impair(undefined)
  await passed
})

it('a reset ends every connection', async () => {
  const ended = once(client, 'error')
  line.reset()
  expect(String((await ended)[0])).toMatch(/ECONNRESET/)
})

it('a reset ends a connection too whose end is just passing', async () => {
  await echoed('hello')
  line.impair({ holds: 'down' })
  served.end()
  await new Promise((resolve) => setTimeout(resolve, 50)) // for the line to hear of it
  line.impair(undefined)
  process.nextTick(() => line.reset())
  const isOpen = (resource: string) => resource === 'TCPSocketWrap'
  const areClosed = () => !process.getActiveResourcesInfo().some(isOpen)
  await waitFor(areClosed, { what: 'the end of every socket', deadlineMs: 3_000 })
})
