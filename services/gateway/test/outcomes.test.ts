// Goal: what becomes of sends, queries and handshakes when the store or the validation does not answer.

import pg from 'pg'
import { RefusalCode } from '@twotick/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  helloRaw,
  openRaw,
  type RawDevice,
  type RawSession,
  registerRaw,
  sendTo,
} from '../../../test/raw-device.ts'
import { waitFor } from '../../../test/wait.ts'
import { type Severed, sever } from './severed.ts'
import { type RunningGateway, startWholeRelay, type WholeRelay } from './whole-relay.ts'

/** 2 s, and as much as a busy machine may be late with timers and sockets. */
const ENDED_MS_MAX = 2_500

let relay: WholeRelay
let gateway: RunningGateway
let toStore: Severed
let toValidation: Severed
let sql: pg.Pool
let alice: RawDevice
let bob: RawDevice
let from: RawSession
let no = 0

beforeAll(async () => {
  relay = await startWholeRelay()
  toStore = await sever(relay.storeTarget)
  toValidation = await sever(relay.validationTarget)
  gateway = await relay.startGateway({
    TWOTICK_STORE_TARGET: toStore.target,
    TWOTICK_VALIDATION_TARGET: toValidation.target,
    TWOTICK_GOODBYE_MS: '0',
  })
  sql = new pg.Pool({ connectionString: relay.database.url, max: 1 })
  alice = await registerRaw(gateway.url, 'alice')
  bob = await registerRaw(gateway.url, 'bob')
})

afterAll(async () => {
  await sql.end()
  toStore.close()
  toValidation.close()
  await relay.close()
})

beforeEach(async () => {
  from = await waitFor(() => openRaw(alice))
})

afterEach(() => from.close())

async function stored(): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    'select count(*)::int as count from mailbox.entry where account_id = $1',
    [bob.address.accountId],
  )
  return rows[0]?.count ?? 0
}

const next = () => sendTo(bob.address.accountId, ++no, no - 1)

test('an append whose answer was lost is repeated, answered, and stored once', async () => {
  const before = await stored()
  from.send({ $case: 'send', value: next() })
  await from.take('stored')
  toStore.holdAnswers()
  const lost = [next(), next(), next()]
  for (const value of lost) from.send({ $case: 'send', value })
  await waitFor(async () => (await stored()) === before + 4)
  toStore.cut()
  await waitFor(() => {
    const told = from.frames.flatMap((frame) => (frame.$case === 'stored' ? frame.value : []))
    return told.at(-1)?.lastNo === no
  })
  expect(await stored()).toBe(before + 4)
  from.send({ $case: 'send', value: next() })
  await waitFor(async () => (await stored()) === before + 5)
})

test('an append that never got there is sent again, and the order is kept', async () => {
  const before = await stored()
  toStore.holdAll()
  for (const value of [next(), next(), next()]) from.send({ $case: 'send', value })
  await waitFor(() => true)
  setTimeout(() => toStore.cut(), 300)
  await waitFor(async () => (await stored()) === before + 3)
  await waitFor(() => from.frames.some((f) => f.$case === 'stored' && f.value.lastNo === no))
  expect(from.frames.some(({ $case }) => $case === 'rejected')).toBe(false)
})

test('while the store does not answer, the session ends within 2 s and the next one knows', async () => {
  const before = await stored()
  toStore.holdAnswers()
  const began = performance.now()
  from.send({ $case: 'send', value: next() })
  const { code, retryAfterMs } = await from.take('goodbye')
  expect(performance.now() - began).toBeLessThan(ENDED_MS_MAX)
  expect(code).toBe(RefusalCode.UNAVAILABLE)
  expect(retryAfterMs).toBeGreaterThan(0)
  toStore.cut()
  from = await waitFor(() => openRaw(alice))
  expect(from.welcome.sentNo).toBe(no)
  expect(await stored()).toBe(before + 1)
})

test('while the validation does not answer, likewise, and nothing was stored', async () => {
  const before = await stored()
  toValidation.holdAll()
  const began = performance.now()
  const value = next()
  from.send({ $case: 'send', value })
  expect((await from.take('goodbye')).code).toBe(RefusalCode.UNAVAILABLE)
  expect(performance.now() - began).toBeLessThan(ENDED_MS_MAX)
  expect(await stored()).toBe(before)
  toValidation.cut()
  from = await waitFor(() => openRaw(alice))
  from.send({ $case: 'send', value })
  expect((await from.take('stored')).lastNo).toBe(no)
})

test('a handshake, a status query and a request do not wait longer either', async () => {
  toStore.holdAll()
  toValidation.holdAll()
  const began = performance.now()
  const other = await helloRaw(bob)
  const items = [{ no: 1, tag: new Uint8Array(8) }]
  const recipientAccountId = bob.address.accountId
  from.send({ $case: 'statusQuery', value: { queryId: 1, recipientAccountId, items } })
  expect((await other.take('refused')).code).toBe(RefusalCode.UNAVAILABLE)
  expect((await from.take('goodbye')).code).toBe(RefusalCode.UNAVAILABLE)
  expect(performance.now() - began).toBeLessThan(ENDED_MS_MAX)
  toStore.cut()
  toValidation.cut()
  from = await waitFor(() => openRaw(alice))
  toValidation.holdAll()
  from.send({
    $case: 'request',
    value: { requestId: 1, body: { $case: 'listDevices', value: {} } },
  })
  expect((await from.take('goodbye')).code).toBe(RefusalCode.UNAVAILABLE)
  toValidation.cut()
})
