// Goal: the newest session of a device is its holder, only gateways that are there count, a gateway
// writes again what Redis has lost, and nothing stays for ever.

import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { isAccountId } from '@twotick/protocol'
import { startRedis, type TestServer } from '../../../test/servers.ts'
import { waitFor } from '../../../test/wait.ts'
import {
  clearPresence,
  dropLease,
  keepLease,
  LEASE_MS,
  type LeaseOptions,
  type Presence,
  readPresence,
  refreshLease,
  writePresence,
  writePresences,
} from '../src/index.ts'

let server: TestServer
let redis: Redis
const stops: AbortController[] = []

beforeAll(async () => {
  server = await startRedis({ own: true })
  redis = new Redis(server.url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 20,
  })
  redis.on('error', () => undefined)
  await waitFor(() => redis.status === 'ready')
})

beforeEach(async () => {
  await redis.flushall()
})

afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort()
})

afterAll(async () => {
  redis.disconnect()
  await server.stop()
})

function presenceOf(gatewayId: string, session: number, other: Partial<Presence> = {}): Presence {
  return { device, gatewayId, session, epoch: 'e1', ...other }
}

const newDevice = (deviceId = 1) => {
  const accountId = randomUUID()
  if (!isAccountId(accountId)) throw new Error('no account id')
  return { accountId, deviceId }
}

const device = newDevice()
const read = async () => (await readPresence(redis, [device.accountId])).get(device.accountId)

test('a newer session replaces an older one, never the other way round', async () => {
  await Promise.all(['g1', 'g2'].map((gatewayId) => refreshLease(redis, gatewayId)))
  expect(await writePresence(redis, presenceOf('g1', 5))).toEqual({
    at: 'written',
    former: undefined,
  })
  expect(await writePresence(redis, presenceOf('g2', 6))).toEqual({
    at: 'written',
    former: { deviceId: 1, gatewayId: 'g1', session: 5 },
  })
  expect(await writePresence(redis, presenceOf('g1', 5))).toEqual({
    at: 'replaced',
    by: { deviceId: 1, gatewayId: 'g2', session: 6 },
  })
  expect(await writePresence(redis, presenceOf('g1', 6))).toMatchObject({ at: 'replaced' })
  expect(await read()).toEqual([{ deviceId: 1, gatewayId: 'g2', session: 6 }])
})

test('a session may be written again by its own gateway', async () => {
  await writePresence(redis, presenceOf('g1', 5))
  expect(await writePresence(redis, presenceOf('g1', 5))).toEqual({
    at: 'written',
    former: undefined,
  })
})

test('a session of another epoch replaces, whatever its number', async () => {
  await writePresence(redis, presenceOf('g1', 500))
  expect(await writePresence(redis, presenceOf('g2', 3, { epoch: 'e2' }))).toEqual({
    at: 'written',
    former: { deviceId: 1, gatewayId: 'g1', session: 500 },
  })
})

test('only the holder can clear', async () => {
  await writePresence(redis, presenceOf('g2', 6))
  expect(await clearPresence(redis, presenceOf('g1', 6))).toBe(false)
  expect(await clearPresence(redis, presenceOf('g2', 5))).toBe(false)
  expect(await clearPresence(redis, presenceOf('g2', 6))).toBe(true)
  expect(await redis.dbsize()).toBe(0)
})

test('a holder whose gateway has no lease does not count', async () => {
  await refreshLease(redis, 'g1')
  await refreshLease(redis, 'g2')
  await writePresence(redis, presenceOf('g1', 1))
  await writePresence(redis, presenceOf('g2', 1, { device: { ...device, deviceId: 2 } }))
  expect((await read())?.map((holder) => holder.gatewayId).sort()).toEqual(['g1', 'g2'])
  await dropLease(redis, 'g1')
  expect(await read()).toEqual([{ deviceId: 2, gatewayId: 'g2', session: 1 }])
  await refreshLease(redis, 'g1')
  expect((await read())?.map((holder) => holder.gatewayId).sort()).toEqual(['g1', 'g2'])
  await dropLease(redis, 'g1')
  await dropLease(redis, 'g2')
  expect(await read()).toBeUndefined()
})

test('many accounts are read in one round trip, or two where a gateway is new', async () => {
  await readPresence(redis, []) // finds the gateways of other tests gone
  const devices = Array.from({ length: 1_200 }, () => newDevice())
  await refreshLease(redis, 'g1')
  const outcomes = await writePresences(
    redis,
    devices.map((each) => presenceOf('g1', 1, { device: each })),
  )
  expect(outcomes).toHaveLength(1_200)
  const monitor = await redis.monitor()
  const commands: string[] = []
  monitor.on('monitor', (_, [command]: string[]) => commands.push((command ?? '').toLowerCase()))
  const accountIds = [...devices.map((each) => each.accountId), devices[0]!.accountId, randomUUID()]
  const scripts = vi.spyOn(redis, 'eval_ro')
  for (const roundTrips of [2, 1]) {
    scripts.mockClear()
    commands.length = 0
    const presence = await readPresence(redis, accountIds)
    await waitFor(() => commands.includes('exists'))
    expect(presence.size).toBe(1_200)
    expect(commands.filter((command) => command === 'hgetall')).toHaveLength(1_201)
    expect(commands.filter((command) => command === 'exists')).toHaveLength(1)
    expect(scripts).toHaveBeenCalledTimes(roundTrips)
  }
  scripts.mockRestore()
  monitor.disconnect()
})

test('nothing stays for ever: keys expire, and old fields go with the next write', async () => {
  await refreshLease(redis, 'g1')
  const key = `presence:${device.accountId}`
  const old = Math.floor(Date.now() / 1000) - 3 * 24 * 3600
  await redis.hset(key, { 7: `g9 4 e1 ${old}`, 8: 'nonsense', 9: `g1 4 e1 ${old + 2 * 24 * 3600}` })
  await writePresence(redis, presenceOf('g1', 1))
  expect(Object.keys(await redis.hgetall(key)).sort()).toEqual(['1', '9'])
  expect(await redis.ttl(key)).toBeGreaterThan(47 * 3600)
  const leaseMs = await redis.pttl('gateway:g1')
  expect(leaseMs).toBeGreaterThan(0)
  expect(leaseMs).toBeLessThanOrEqual(LEASE_MS)
})

function keep(options: Partial<LeaseOptions> = {}) {
  const stop = new AbortController()
  stops.push(stop)
  const counts = { rewrites: 0, failures: 0 }
  const lease = keepLease(redis, {
    gatewayId: 'g1',
    rewrite: async () => (counts.rewrites += 1),
    onFailure: () => (counts.failures += 1),
    signal: stop.signal,
    refreshMs: 20,
    ...options,
  })
  return { lease, counts, stop }
}

test('a lease is there at once, and what Redis has lost is written again', async () => {
  const { counts, lease, stop } = keep()
  await waitFor(() => counts.rewrites === 1)
  expect(await redis.exists('gateway:g1')).toBe(1)
  await redis.flushall()
  await waitFor(() => counts.rewrites === 2, { what: 'a rewrite after the loss' })
  lease.rewriteSoon()
  await waitFor(() => counts.rewrites === 3, { what: 'a rewrite because a write has failed' })
  stop.abort()
  await lease.ended
  expect(counts.failures).toBe(0)
})

test('a rewrite that fails is repeated until it does not', async () => {
  let rewrites = 0
  const { counts } = keep({
    rewrite: async () => {
      rewrites += 1
      if (rewrites < 3) throw new Error('Redis is away')
    },
  })
  await waitFor(() => rewrites === 3)
  expect(counts.failures).toBe(2)
})

test('everything is written again well before it expires', async () => {
  const { counts } = keep({ rewriteMs: 60 })
  await waitFor(() => counts.rewrites === 3)
})

test('Redis stopped and started again, lease and all: everything is written again', async () => {
  const { counts } = keep()
  await waitFor(() => counts.rewrites === 1)
  await server.stop()
  await waitFor(() => counts.failures > 0)
  await server.restart()
  await redis.set('gateway:g1', '1', 'PX', LEASE_MS).catch(() => undefined)
  await waitFor(() => counts.rewrites >= 2, { what: 'a rewrite after the reconnect' })
  await waitFor(() => redis.exists('gateway:g1'))
})
