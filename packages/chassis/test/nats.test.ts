import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { requireBinary } from '../../../scripts/servers/binaries.ts'
import { launch } from '../../../scripts/servers/launch.ts'
import { startNats, type TestServer } from '../../../test/servers.ts'
import { type Bus, connectNats, createLog } from '../src/index.ts'

const log = createLog('test', 'silent')
let server: TestServer
const buses: Bus[] = []

let folder: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'twotick-nats-'))
  server = await startNats({ own: true })
})

afterEach(async () => {
  for (const bus of buses.splice(0)) await bus.drain()
  await server.stop()
  rmSync(folder, { recursive: true })
})

async function open(settings: { pendingBytesMax?: number; refusedMs?: number } = {}): Promise<Bus> {
  const bus = await connectNats({ url: server.url, ...settings }, log)
  buses.push(bus)
  return bus
}

const bytes = (text: string) => new TextEncoder().encode(text)

function collect(bus: Bus, subject: string, queue?: string): string[] {
  const texts: string[] = []
  bus.subscribe(
    subject,
    (data) => texts.push(new TextDecoder().decode(data)),
    queue === undefined ? {} : { queue },
  )
  return texts
}

test('each subscriber hears it, of a queue group one', async () => {
  const [a, b] = [await open(), await open()]
  const all = [collect(a, 'bell'), collect(b, 'bell')]
  const group = [collect(a, 'bell', 'fanout'), collect(b, 'bell', 'fanout')]
  expect(await Promise.all([a.flush(), b.flush()])).toEqual([true, true])
  expect(a.publish('bell', bytes('1'))).toBe(true)
  await expect.poll(() => all.flat()).toEqual(['1', '1'])
  await expect.poll(() => group.flat()).toEqual(['1'])
})

test('killed and back: published meanwhile is dropped, subscriptions are there again', async () => {
  const bus = await open()
  const texts = collect(bus, 'bell')
  let connected = 0
  bus.onConnected(() => (connected += 1))
  await bus.flush()
  await server.kill()
  await expect.poll(() => bus.isConnected()).toBe(false)
  expect(bus.publish('bell', bytes('lost'))).toBe(false)
  expect(await bus.flush()).toBe(false)
  await server.restart()
  await expect.poll(() => bus.isConnected(), { timeout: 3_000 }).toBe(true)
  expect(connected).toBe(1)
  bus.publish('bell', bytes('heard'))
  await expect.poll(() => texts).toEqual(['heard'])
})

test('refused by NATS for a while, it is connected again once it is taken', async () => {
  const bus = await open()
  const texts = collect(bus, 'bell')
  await bus.flush()
  await server.kill()
  const { port } = new URL(server.url)
  const locked = await startNatsWith(['--port', port, '--user', 'other', '--pass', 'other'])
  try {
    const refusals = () => locked.log().split('authentication error').length - 1
    await expect.poll(refusals, { timeout: 10_000 }).toBeGreaterThan(2)
    expect(bus.isConnected()).toBe(false)
  } finally {
    await locked.stop()
  }
  await server.restart()
  await expect.poll(() => bus.isConnected()).toBe(true)
  bus.publish('bell', bytes('heard'))
  await expect.poll(() => texts).toEqual(['heard'])
})

test('a subscription that NATS refuses for a while is there again once it may be', async () => {
  const rules = join(folder, 'rules.conf')
  const may = (what: string) =>
    writeFileSync(
      rules,
      `no_auth_user: us\nauthorization { users = [{ user: us, password: us,
      permissions: { publish: ">", subscribe: ${what} } }] }`,
    )
  may('">"')
  const { port } = new URL(server.url)
  await server.kill()
  const ruled = await startNatsWith(['--port', port, '--config', rules])
  try {
    const bus = await open({ refusedMs: 200 })
    const texts = collect(bus, 'bell')
    await bus.flush()
    may('"other"')
    process.kill(ruled.pid, 'SIGHUP')
    await expect.poll(() => ruled.log()).toContain('Subscription Violation')
    may('">"')
    process.kill(ruled.pid, 'SIGHUP')
    const hears = () => {
      bus.publish('bell', bytes('heard'))
      return texts.includes('heard')
    }
    await expect.poll(hears).toBe(true)
  } finally {
    await ruled.stop()
  }
})

/** A NATS with rules of its own, on the port of the other one. */
async function startNatsWith(args: string[]) {
  const logFile = join(folder, 'log')
  const started = await launch({
    name: 'nats-server',
    command: requireBinary('nats-server'),
    args: ['--addr', '127.0.0.1', ...args],
    readyLine: 'Server is ready',
    stopSignal: 'SIGINT',
    orphanSignal: 'KILL',
    user: null,
    logFile,
  })
  return Object.assign(started, { log: () => readFileSync(logFile, 'utf8') })
}

test('a service starts while NATS is down, says why once, and is connected when it comes', async () => {
  await server.kill()
  const warn = vi.spyOn(log, 'warn')
  const bus = await open()
  await expect
    .poll(() => warn.mock.calls)
    .toEqual([
      [{ error: expect.any(Error) }, 'NATS cannot be reached: going on without it, and trying'],
    ])
  const texts = collect(bus, 'bell')
  expect(bus.isConnected()).toBe(false)
  expect(bus.publish('bell', bytes('lost'))).toBe(false)
  await server.restart()
  await expect.poll(() => bus.isConnected(), { timeout: 3_000 }).toBe(true)
  bus.publish('bell', bytes('heard'))
  await expect.poll(() => texts).toEqual(['heard'])
})

test('a stopped NATS costs bounded memory: beyond the bound messages are dropped', async () => {
  const bus = await open({ pendingBytesMax: 1_000_000 })
  server.pause()
  try {
    const kept = Array.from({ length: 100 }, () => bus.publish('bell', new Uint8Array(100_000)))
    expect(kept.filter(Boolean)).toHaveLength(10)
  } finally {
    server.resume()
  }
  await expect.poll(() => bus.publish('bell', new Uint8Array(100_000))).toBe(true)
})

test('draining ends soon, whatever the server does', async () => {
  const idle = await open()
  server.pause()
  try {
    const begunAt = Date.now()
    await idle.drain()
    expect(Date.now() - begunAt).toBeLessThan(3_000)
  } finally {
    server.resume()
  }
  const down = await open()
  await server.kill()
  await down.drain()
})
