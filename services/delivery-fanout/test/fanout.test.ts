// Goal: what the store and the gateways publish reaches exactly the gateways that hold the devices,
// and every gateway whenever that cannot be known.

import { randomUUID } from 'node:crypto'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openScope, type OpenScope, readConfig } from '@twotick/chassis'
import { dropLease, refreshLease, writePresence } from '@twotick/presence'
import { isAccountId } from '@twotick/protocol'
import {
  Appended,
  GatewayEvent,
  SignalSent,
  type StoredEntry,
  TicksDelivered,
} from '@twotick/protocol/services'
import { startNats, startRedis, type TestServer } from '../../../test/servers.ts'
import { waitFor } from '../../../test/wait.ts'
import { configSchema } from '../src/config.ts'
import { start } from '../src/start.ts'

let nats: TestServer
let redisServer: TestServer
let bus: NatsConnection
let redis: Redis
const scopes: OpenScope[] = []

beforeAll(async () => {
  nats = await startNats({ own: true })
  redisServer = await startRedis({ own: true })
  bus = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  redis = new Redis(redisServer.url)
  redis.on('error', () => undefined)
})

beforeEach(async () => {
  await redis.flushall()
})

afterEach(async () => {
  for (const scope of scopes.splice(0)) await scope.close()
})

afterAll(async () => {
  redis.disconnect()
  await bus.close()
  await redisServer.stop()
  await nats.stop()
})

async function startFanout(environment: Record<string, string> = {}): Promise<void> {
  const scope = openScope('delivery-fanout', { drainMs: 3_000 })
  scopes.push(scope)
  const config = readConfig(configSchema, {
    TWOTICK_NATS_URL: nats.url,
    TWOTICK_REDIS_URL: redisServer.url,
    TWOTICK_PRESENCE_BUDGET_MS: '10000', // a Redis that is there is waited for, however busy the machine
    ...environment,
  })
  await start(config, scope)
}

/** What gateways are told from now on, by subject. */
async function hear(...subjects: string[]) {
  const heard = subjects.map((subject) => {
    const events: GatewayEvent[] = []
    bus.subscribe(subject, {
      callback(_, message) {
        events.push(GatewayEvent.decode(message.data))
      },
    })
    return events
  })
  await bus.flush()
  return heard
}

const newAccount = () => {
  const id = randomUUID()
  if (!isAccountId(id)) throw new Error('no account id')
  return id
}

const newGateway = () => randomUUID().replaceAll('-', '').slice(0, 16)

const entry = (seq: number, bytes = 10): StoredEntry => ({
  seq,
  acceptedAtMs: 1,
  content: {
    $case: 'envelope',
    value: {
      sender: { accountId: randomUUID(), deviceId: 1 },
      no: seq,
      to: undefined,
      type: 1,
      ciphertext: new Uint8Array(bytes),
      parts: [],
    },
  },
})

function publishAppended(accountId: string, seq: number, bytes?: number): void {
  const mailboxes = [{ accountId, headSeq: seq, entries: [entry(seq, bytes)], copies: [] }]
  const message = { epoch: 'e1', mailboxes, contents: [] }
  bus.publish('mailbox.appended', Appended.encode(message).finish())
}

async function connected(accountId: ReturnType<typeof newAccount>, gateways: string[]) {
  for (const [index, gatewayId] of gateways.entries()) {
    const device = { accountId, deviceId: index + 1 }
    await refreshLease(redis, gatewayId)
    await writePresence(redis, { device, gatewayId, session: 1, epoch: 'e1' })
  }
}

test('doorbells and signals reach every gateway of the account, ticks that of the device', async () => {
  const [g1, g2, g3] = [newGateway(), newGateway(), newGateway()]
  const [alice, bob] = [newAccount(), newAccount()]
  await connected(alice, [g1, g2])
  await connected(bob, [g2, g2])
  const [at1, at2, at3, atAll] = await hear(
    ...[g1, g2, g3].map((id) => `gateway.${id}`),
    'gateways',
  )
  await startFanout()
  await waitFor(() => atAll!.some((event) => event.resync), { what: 'resync at the start' })

  publishAppended(bob, 1)
  publishAppended(alice, 5)
  const tick = { sender: { accountId: alice, deviceId: 1 }, recipientAccountId: bob, nos: [] }
  bus.publish('mailbox.delivered', TicksDelivered.encode({ epoch: 'e1', ticks: [tick] }).finish())
  const signal = {
    sender: { accountId: alice, deviceId: 1 },
    accountId: bob,
    ciphertext: new Uint8Array(1),
  }
  bus.publish('signal.sent', SignalSent.encode(signal).finish())

  const rung = (events?: GatewayEvent[]) =>
    events!.flatMap((event) =>
      event.mailboxes.map((mailbox) => [mailbox.accountId, mailbox.headSeq]),
    )
  await waitFor(() => rung(at2).length === 2 && at2!.some((event) => event.signals.length === 1))
  await waitFor(() => at1!.some((event) => event.ticks.length === 1))
  expect(rung(at1)).toEqual([[alice, 5]])
  expect(rung(at2)).toEqual([
    [bob, 1],
    [alice, 5],
  ])
  expect(at2!.flatMap((event) => event.ticks)).toEqual([])
  expect(at1!.flatMap((event) => event.signals)).toEqual([])
  expect(at3).toEqual([])
  expect(atAll!.filter((event) => !event.resync)).toEqual([])
})

test('of two replicas each message meets one', async () => {
  const g1 = newGateway()
  const bob = newAccount()
  await connected(bob, [g1])
  const [at1] = await hear(`gateway.${g1}`)
  await startFanout()
  await startFanout()
  for (let seq = 1; seq <= 100; seq += 1) publishAppended(bob, seq)
  const heads = () => at1!.flatMap((event) => event.mailboxes.map((mailbox) => mailbox.headSeq))
  await waitFor(() => heads().length >= 100)
  await bus.flush()
  expect(heads().sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
})

test('a presence whose gateway has no lease does not count', async () => {
  const [g1, g2] = [newGateway(), newGateway()]
  const bob = newAccount()
  await connected(bob, [g1, g2])
  await dropLease(redis, g1)
  const [at1, at2] = await hear(`gateway.${g1}`, `gateway.${g2}`)
  await startFanout()
  publishAppended(bob, 1)
  await waitFor(() => at2!.length === 1)
  expect(at1).toEqual([])
})

test('a malformed message is passed over', async () => {
  const g1 = newGateway()
  const bob = newAccount()
  await connected(bob, [g1])
  const [at1] = await hear(`gateway.${g1}`)
  await startFanout()
  bus.publish('mailbox.appended', new Uint8Array([255, 255, 255]))
  publishAppended(bob, 1)
  await waitFor(() => at1!.length === 1)
})

test('Redis stopped or not answering: every gateway is rung; and its own again afterwards', async () => {
  const g1 = newGateway()
  const bob = newAccount()
  await connected(bob, [g1])
  const [at1, atAll] = await hear(`gateway.${g1}`, 'gateways')
  await startFanout({ TWOTICK_PRESENCE_BUDGET_MS: '100' })
  const headsAtAll = () => atAll!.flatMap((event) => event.mailboxes.map((rung) => rung.headSeq))

  redisServer.pause()
  const pausedAt = performance.now()
  publishAppended(bob, 1)
  await waitFor(() => headsAtAll().includes(1), { what: 'everybody to be rung: Redis paused' })
  expect(performance.now() - pausedAt).toBeLessThan(1_000)
  publishAppended(bob, 2)
  await waitFor(() => headsAtAll().includes(2))
  redisServer.resume()

  await redisServer.stop()
  publishAppended(bob, 3)
  await waitFor(() => headsAtAll().includes(3), { what: 'everybody to be rung: Redis stopped' })

  await redisServer.restart()
  await waitFor(async () => {
    await connected(bob, [g1])
    publishAppended(bob, 4)
    await bus.flush()
    return at1!.length > 0
  })
})

test('after the bus was away every device is told to ask', async () => {
  const [atAll] = await hear('gateways')
  await startFanout()
  const resyncs = () => atAll!.filter((event) => event.resync).length
  await waitFor(() => resyncs() === 1)
  await nats.stop()
  await nats.restart()
  await waitFor(() => resyncs() >= 2, { what: 'resync after the reconnect' })
})

test('a flood is bounded: the oldest is dropped, and when it is over every device asks', async () => {
  const g1 = newGateway()
  const bob = newAccount()
  await connected(bob, [g1])
  const [at1, atAll] = await hear(`gateway.${g1}`, 'gateways')
  const resyncs = () => atAll!.filter((event) => event.resync).length
  await startFanout({
    TWOTICK_PENDING_BYTES_MAX: '1048576',
    TWOTICK_PRESENCE_BUDGET_MS: '2000',
  })
  await waitFor(() => resyncs() === 1)
  redisServer.pause() // the first batch waits; all else piles up
  publishAppended(bob, 1)
  await bus.flush()
  for (let seq = 2; seq <= 100; seq += 1) publishAppended(bob, seq, 60_000)
  await bus.flush()
  await waitFor(() => resyncs() === 2, { what: 'resync after the flood' })
  redisServer.resume()
  const heads = atAll!.concat(at1!).flatMap((event) => event.mailboxes.map((rung) => rung.headSeq))
  expect(heads.length).toBeLessThan(60)
  expect(heads).toContain(100)
})
