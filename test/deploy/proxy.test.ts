// Goal: the proxy in front of the gateways passes devices on unchanged, says whom it serves, so that
// the bound for one network address holds behind it, and is honest when nobody is there.

import { once } from 'node:events'
import { join } from 'node:path'
import { type ChildProcess, spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { freePort } from '../../scripts/servers/free-port.ts'
import { newAccount, sendText, texts } from '../device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'

const PROXY = join(import.meta.dirname, '../../deploy/programs/proxy.ts')

/** Two devices that are open, and those that have registered them and are not gone yet. */
const PER_ADDRESS = 4

let relay: Relay
let proxy: ChildProcess
let port: number

beforeAll(async () => {
  relay = await startRelay({
    env: {
      gateway: {
        TWOTICK_TRUSTED_PROXIES: '127.0.0.1',
        TWOTICK_CONNECTIONS_PER_ADDRESS_MAX: String(PER_ADDRESS),
      },
    },
  })
  port = await freePort()
  const health = `127.0.0.1:${await freePort()}`
  proxy = spawn(process.execPath, [PROXY], {
    env: {
      TWOTICK_LISTEN: `0.0.0.0:${port}`,
      TWOTICK_GATEWAY_TARGET: relay.url.slice('ws://'.length),
      TWOTICK_HEALTH_LISTEN: health,
      TWOTICK_LOG_LEVEL: 'silent',
    },
    stdio: 'inherit',
  })
  const isReady = async () => (await fetch(`http://${health}/readyz`)).ok
  await waitFor(isReady, { what: 'the proxy', deadlineMs: 45_000 })
})

afterAll(async () => {
  if (proxy?.exitCode === null) proxy.kill('SIGKILL')
  await relay?.stop()
})

/** What a connection from an address of this machine comes to: open, or the code it ends with. */
async function connectFrom(localAddress: string) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'twotick.v1', { localAddress })
  const first = once(socket, 'message')
  await once(socket, 'open')
  const ended = once(socket, 'close')
  const isKept = await Promise.race([
    first.then(([frame]) => (frame as Buffer).length > 0),
    ended.then(() => false),
  ])
  return { socket, isKept, ended }
}

it('a conversation through it, both ticks', async () => {
  const url = `ws://127.0.0.1:${port}`
  const alice = await newAccount(url, 'alice')
  const bob = await newAccount(url, 'bob')
  const { delivered } = await sendText(alice, bob, 'through the proxy')
  expect((await delivered).delivered).toEqual([bob.address.accountId])
  expect(texts(bob)).toEqual(['through the proxy'])
  await Promise.all([alice.close(), bob.close()])
})

it('the bound for one address counts the devices’ own addresses', async () => {
  // All of 127.0.0.0/8 is this machine's; each address stands for somebody's.
  const opened = []
  const many = Array<string>(PER_ADDRESS).fill('127.0.0.2')
  for (const address of [...many, '127.0.0.3', '127.0.0.4']) {
    const connection = await connectFrom(address)
    expect(connection.isKept, address).toBe(true)
    opened.push(connection)
  }
  const oneMore = await connectFrom('127.0.0.2')
  await oneMore.ended
  for (const { socket } of opened) socket.terminate()
})

it('what is no WebSocket is told so; without a gateway the answer is 503', async () => {
  const reply = await fetch(`http://127.0.0.1:${port}/`)
  expect([reply.status, await reply.text()]).toEqual([426, 'twotick: connect by WebSocket\n'])

  await relay.services.gateway.stop()
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'twotick.v1')
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    { statusCode: number },
  ]
  expect(response.statusCode).toBe(503)
  socket.on('error', () => undefined)
  socket.terminate()
})

it('ends with exit code 0', async () => {
  const ended = once(proxy, 'exit')
  proxy.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
})
