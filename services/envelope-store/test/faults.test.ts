// The store with its dependencies gone: on a Postgres and a NATS of its own, stopped and killed.

import { RefusalCode, StatusState } from '@twotick/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startNats, startPostgres, type TestPostgresServer } from '../../../test/servers.ts'
import { waitFor } from '../../../test/wait.ts'
import { codeOf, openSender, textOf } from './envelope.ts'
import { startStore, type TestStore } from './store.ts'

let postgres: TestPostgresServer
let store: TestStore
beforeAll(async () => {
  postgres = await startPostgres()
  store = await startStore({ database: postgres.database })
})
afterAll(async () => {
  await store.close()
  await postgres.stop()
})

test('a write that met a stopped Postgres is unknown, and its repetition is stored once', async () => {
  // Goal: an answer within the query timeout; an unknown outcome is settled by repeating.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  const append = sender.next([bob!.accountId])
  postgres.pause()
  const begun = performance.now()
  expect((await store.append(append))?.$case).toBe('unknown')
  expect(performance.now() - begun).toBeLessThan(6_000)
  postgres.resume()
  await waitFor(async () => (await store.append(append))?.$case === 'stored')
  await waitFor(async () => (await store.fetch(bob!)).headSeq === 1)
  expect((await store.fetch(bob!)).entries.map(textOf)).toEqual(['message 1'])
})

test('a killed Postgres is come back to by itself', { timeout: 60_000 }, async () => {
  // Goal: pools survive; what was stored before the crash is there.
  const [alice] = await store.account()
  const [bob] = await store.account()
  const sender = await openSender(store, alice!)
  await sender.send([bob!.accountId])
  await postgres.kill()
  const next = sender.next([bob!.accountId])
  expect((await store.append(next))?.$case).toBe('unknown')
  await postgres.restart()
  await waitFor(async () => (await store.append(next))?.$case === 'stored', { deadlineMs: 20_000 })
  expect((await store.fetch(bob!)).entries.map(textOf)).toEqual(['message 1', 'message 2'])
  expect(codeOf(await store.append(next))).toBeUndefined()
})

test('without NATS nothing waits', async () => {
  // Goal: the doorbell is only a doorbell.
  const nats = await startNats({ own: true })
  const deaf = await startStore({ natsUrl: nats.url })
  await nats.stop()
  const [alice] = await deaf.account()
  const [bob] = await deaf.account()
  const sender = await openSender(deaf, alice!)
  const send = sender.next([bob!.accountId])
  expect((await deaf.append(send))?.$case).toBe('stored')
  expect(await deaf.ack(bob!, 1)).toMatchObject({ $case: 'acked' })
  const { states } = await deaf.status(alice!, bob!.accountId, [send])
  expect(states).toEqual([StatusState.DELIVERED])
  await deaf.close()
})

test(
  'a raised counter is another epoch for every new connection',
  { timeout: 60_000 },
  async () => {
    // Goal: after a restore no request of the older history is served.
    const [alice] = await store.account()
    const sender = await openSender(store, alice!)
    await store.rows('update mailbox.epoch_counter set counter = counter + 1')
    await store.rows(`select pg_terminate_backend(pid) from pg_stat_activity
                     where usename = 'twotick_store'`)
    const send = sender.next([alice!.accountId])
    await waitFor(async () => codeOf(await store.append(send)) === RefusalCode.EPOCH_CHANGED)
    await expect(store.fetch(alice!)).rejects.toThrow('not fetched')
    await expect(store.openSession(alice!)).rejects.toThrow('not opened')
  },
)
