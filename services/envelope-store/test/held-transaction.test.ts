// A transaction that somebody holds open keeps every version of a row that it could see, and all that
// was deleted since: what a write reads must not grow with them.

import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSender } from './envelope.ts'
import { startStore, type TestStore } from './store.ts'

const ROUNDS_BEFORE = 500
const ROUNDS = 50
/** Of all indexes together, for an append, a fetch and an ack: hundreds, where old versions are visited. */
const PLACES_MAX = 40
/** After which a back end tells what it has counted. */
const TOLD_MS = 1_100

let store: TestStore
let holder: pg.Client
let owner: pg.Client
beforeAll(async () => {
  store = await startStore()
  holder = new pg.Client({ connectionString: store.database.url })
  owner = new pg.Client({ connectionString: store.database.url })
  await Promise.all([holder.connect(), owner.connect()])
})
afterAll(async () => {
  await Promise.all([holder.end(), owner.end()])
  await store.close()
})

// The nodes of a Citus count for themselves.
const options = { timeout: 60_000, skip: process.env['TWOTICK_TEST_POSTGRES'] === 'citus' }

test('under it a message costs what it cost before', options, async () => {
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  let seq = 0
  async function rounds(count: number) {
    for (let round = 0; round < count; round++) {
      await sender.send([bob!.accountId])
      await store.fetch(bob!)
      await store.ack(bob!, ++seq)
    }
  }
  async function placesRead() {
    await sleep(TOLD_MS)
    await rounds(1)
    const [row] = await store.rows<{ places: string }>(
      `select sum(idx_tup_read) as places from pg_stat_user_indexes where schemaname = 'mailbox'`,
    )
    return Number(row?.places)
  }

  await holder.query('begin isolation level repeatable read')
  await holder.query('select count(*) from mailbox.mailbox')
  await rounds(ROUNDS_BEFORE)
  // All is delivered: from now on Postgres believes that there are no entries.
  await owner.query('analyze')
  const before = await placesRead()
  await rounds(ROUNDS)
  const read = (await placesRead()) - before
  expect(read).toBeGreaterThan(ROUNDS)
  expect(read / ROUNDS).toBeLessThan(PLACES_MAX)
})
