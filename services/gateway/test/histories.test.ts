// Goal: a gateway heeds nothing of another epoch, ends its sessions when the store has a new one, and
// loses nothing when Redis forgets who is where.

import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import pg from 'pg'
import { RefusalCode } from '@twotick/protocol'
import { GatewayEvent, type StoredEntry } from '@twotick/protocol/services'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRaw, registerRaw, sendTo } from '../../../test/raw-device.ts'
import { waitFor } from '../../../test/wait.ts'
import { type RunningGateway, startWholeRelay, type WholeRelay } from './whole-relay.ts'

let relay: WholeRelay
let gateway: RunningGateway
let bus: NatsConnection
let sql: pg.Pool
let handles = 0

beforeAll(async () => {
  relay = await startWholeRelay({
    TWOTICK_RECONCILE_MS: '1000',
    // A busy machine must not end a session here.
    TWOTICK_ANSWER_MS: '20000',
  })
  gateway = await relay.startGateway()
  bus = await connect({ servers: relay.nats.url })
  sql = new pg.Pool({ connectionString: relay.database.url, max: 1 })
})

afterAll(async () => {
  await bus.close()
  await sql.end()
  await relay.close()
})

const askNothing = (recipientAccountId: string) => ({ queryId: 1, recipientAccountId, items: [] })

const register = () => registerRaw(gateway.url, `device-${++handles}`)

test('doorbells, ticks and takeovers of another epoch change nothing', async () => {
  const device = await register()
  const { address } = device
  const session = await openRaw(device)
  await session.take('drained')
  // Its first fetch is through when this is answered: it is live.
  session.send({ $case: 'statusQuery', value: askNothing(address.accountId) })
  await session.take('status')
  const entry: StoredEntry = { seq: 1, acceptedAtMs: 0, content: undefined }
  const event: GatewayEvent = {
    epoch: '0123456789abcdef',
    mailboxes: [{ accountId: address.accountId, headSeq: 1, entries: [entry], copies: [] }],
    ticks: [
      { sender: address, recipientAccountId: address.accountId, nos: [{ first: 1, last: 1 }] },
    ],
    signals: [],
    replaced: [{ device: address, session: 1_000 }],
    resync: true,
    contents: [],
  }
  bus.publish('gateways', GatewayEvent.encode(event).finish())
  bus.publish('gateways', Uint8Array.of(255, 255))
  // A resync has no epoch: it is the only thing heard of all that, and it comes last.
  await session.take('resync')
  session.send({ $case: 'ping', value: { number: 1 } })
  await session.take('pong')
  const kinds = session.frames.map(({ $case }) => $case)
  expect(kinds).toEqual(['challenge', 'welcome', 'drained', 'status', 'resync', 'pong'])
  session.close()
})

test('a Redis that has forgotten everything is told again who is where', async () => {
  const alice = await register()
  const bob = await register()
  const from = await openRaw(alice)
  const to = await openRaw(bob)
  const redis = new Redis(relay.redis.url)
  await redis.flushall()
  from.send({ $case: 'send', value: sendTo(bob.address.accountId, 1, 0) })
  await to.take('deliver')
  const key = `presence:${bob.address.accountId}`
  await waitFor(async () => (await redis.hget(key, '1')) !== null)
  redis.disconnect()
  from.close()
  to.close()
})

test('a device that was unlinked behind its back is told by reconciliation', async () => {
  const device = await register()
  const session = await openRaw(device)
  await sql.query('delete from mailbox.mailbox where account_id = $1', [device.address.accountId])
  expect((await session.take('goodbye')).code).toBe(RefusalCode.UNLINKED)
})

test('a new epoch of the store ends every session, and the next one is of the new epoch', async () => {
  const device = await register()
  const session = await openRaw(device)
  await sql.query('update mailbox.epoch_counter set counter = counter + 1')
  await sql.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and usename = 'twotick_store'`,
  )
  expect((await session.take('goodbye')).code).toBe(RefusalCode.EPOCH_CHANGED)
  const again = await openRaw(device)
  expect(again.welcome.epoch).not.toBe(session.welcome.epoch)
  again.close()
})
