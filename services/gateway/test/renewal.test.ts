// Goal: no session lasts for ever. Its end is one of which nothing is lost, and the device that comes
// back is seen, although it has only received.

import pg from 'pg'
import { RefusalCode } from '@twotick/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type Hear,
  openRaw,
  type RawConnection,
  type RawDevice,
  registerRaw,
  sendTo,
} from '../../../test/raw-device.ts'
import { type RunningGateway, startWholeRelay, type WholeRelay } from './whole-relay.ts'

const SESSION_MS = 2_000

let relay: WholeRelay
let gateway: RunningGateway
let sql: pg.Pool

beforeAll(async () => {
  relay = await startWholeRelay()
  gateway = await relay.startGateway({ TWOTICK_SESSION_MS: `${SESSION_MS}` })
  sql = new pg.Pool({ connectionString: relay.database.url, max: 1 })
})

afterAll(async () => {
  await sql.end()
  await relay.close()
})

async function seenDaysAgo({ address }: RawDevice): Promise<number | undefined> {
  const { rows } = await sql.query<{ days: number }>(
    'select current_date - seen_on as days from directory.device where account_id = $1',
    [address?.accountId],
  )
  return rows[0]?.days
}

test('goal: a session ends after its time, and its device is seen when it comes back', async () => {
  const devices = await Promise.all(
    ['anna', 'berta', 'cilla', 'dora'].map((handle) => registerRaw(gateway.url, handle)),
  )
  const renewed = devices.map(async (device) => {
    const session = await openRaw(device)
    const opened = performance.now()
    const text = 'update directory.device set seen_on = current_date - 29 where account_id = $1'
    await sql.query(text, [device.address.accountId])
    const { code, retryAfterMs } = await session.take('goodbye')
    expect(code).toBe(RefusalCode.GOING_AWAY)
    expect(retryAfterMs).toBeGreaterThan(0)
    expect(retryAfterMs).toBeLessThan(1_000)
    expect(performance.now() - opened).toBeGreaterThan(SESSION_MS * 0.7)
    await session.closed
    expect(await seenDaysAgo(device)).toBe(29)
    const next = await openRaw(device)
    expect(await seenDaysAgo(device)).toBe(0)
    next.close()
  })
  await Promise.all(renewed)
})

test('goal: all that a session has taken is answered before its end', async () => {
  const [emil, frieda] = [
    await registerRaw(gateway.url, 'emil'),
    await registerRaw(gateway.url, 'frieda'),
  ]
  const to = frieda.address.accountId
  // Twenty sends are without an answer at any time, until the end.
  let no = 0
  const send = (connection: RawConnection) =>
    connection.send({ $case: 'send', value: sendTo(to, ++no, no - 1) })
  const hear: Hear = (frame, connection) => {
    if (frame.$case === 'welcome') for (let count = 0; count < 20; count++) send(connection)
    if (frame.$case !== 'stored') return
    const { firstNo, lastNo } = frame.value
    for (let count = firstNo; count <= lastNo; count++) send(connection)
  }
  const session = await openRaw(emil, hear)
  expect((await session.take('goodbye')).code).toBe(RefusalCode.GOING_AWAY)
  await session.closed
  const stored = session.frames.filter((frame) => frame.$case === 'stored')
  const lastNo = Math.max(...stored.map(({ value }) => value.lastNo))
  const next = await openRaw(emil)
  expect(lastNo).toBeGreaterThan(20)
  expect(next.welcome.sentNo).toBe(lastNo)
  next.close()
})
