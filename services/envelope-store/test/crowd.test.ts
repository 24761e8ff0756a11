// Many who wait for Postgres, and a batch that waits with none of them.

import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSender } from './envelope.ts'
import { untilWaiting } from './lock-waits.ts'
import { startStore, type TestStore } from './store.ts'

const POOL_MAX = 3
const CROWD = 20

let store: TestStore
beforeAll(async () => {
  store = await startStore({
    environment: {
      TWOTICK_POSTGRES_POOL_MAX: `${POOL_MAX}`,
      // The crowd waits for as long as the test does.
      TWOTICK_POSTGRES_CONNECT_TIMEOUT_MS: '20000',
      TWOTICK_POSTGRES_STATEMENT_TIMEOUT_MS: '20000',
      TWOTICK_POSTGRES_QUERY_TIMEOUT_MS: '20000',
    },
  })
})
afterAll(() => store.close())

test('what holds all connections for everything else holds up no write', async () => {
  // Goal: thousands that come back at once, or one row that is held, leave first ticks what they need.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const [carol] = await store.account()
  const sender = await openSender(store, alice!)
  const holder = new pg.Client({ connectionString: store.database.url })
  await holder.connect()
  await holder.query('begin')
  await holder.query('select from mailbox.sender where account_id = $1 for update', [
    carol!.accountId,
  ])
  let given = 0
  const openings = Array.from({ length: CROWD }, () =>
    store
      .openSession(carol!)
      .catch(() => undefined)
      .finally(() => (given += 1)),
  )
  await untilWaiting(store, POOL_MAX - 1)
  expect((await store.append(sender.next([bob!.accountId])))?.$case).toBe('stored')
  expect(await store.ack(bob!, 1)).toMatchObject({ $case: 'acked' })
  expect(given).toBe(0)
  await holder.query('rollback')
  await holder.end()
  await Promise.all(openings)
})
