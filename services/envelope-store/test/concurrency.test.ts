// Many at once, on few accounts: through one store's batches and through two stores that share the
// database, so that transactions really meet. TEST_LONG=1 takes 30 s instead of 8.

import type { DeviceAddress } from '@twotick/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { waitFor } from '../../../test/wait.ts'
import { findOrphans } from '../src/orphans.ts'
import { openSender } from './envelope.ts'
import { startStore, type TestStore } from './store.ts'

const MIX_MS = process.env['TEST_LONG'] === '1' ? 30_000 : 8_000
const PAIRS = 10
const ACKS_OF_PAIR = 300

let first: TestStore
let second: TestStore
beforeAll(async () => {
  first = await startStore()
  second = await startStore({ database: first.database, natsUrl: first.natsUrl, keyFrom: first })
})
afterAll(async () => {
  await second.close()
  await first.close()
})

const deadlocks = async () => {
  const [row] = await first.rows<{ deadlocks: string }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  )
  return Number(row?.deadlocks)
}

test(
  'two devices acking together: every entry goes, with exactly one tick',
  { timeout: 120_000 },
  async () => {
    // Goal: "delete, then count" would see "not last" twice; one locked row does not.
    const [alice] = await first.account()
    const sender = await openSender(first, alice!)
    const pairs = await Promise.all(Array.from({ length: PAIRS }, () => first.account(2)))
    const accountIds = pairs.map(([device]) => device!.accountId)
    for (let sent = 0; sent < ACKS_OF_PAIR; sent += 50) {
      await first.write(Array.from({ length: 50 }, () => sender.next(accountIds)))
    }
    const ackTogether = async ([phone, laptop]: DeviceAddress[]) => {
      for (let seq = 1; seq <= ACKS_OF_PAIR; seq++) {
        await Promise.all([first.ack(phone!, seq), second.ack(laptop!, seq)])
      }
    }
    await Promise.all(pairs.map(ackTogether))
    expect(await first.rows('select from mailbox.entry')).toHaveLength(0)
    const ticks = () =>
      first.heard.ticks.flatMap(({ recipientAccountId, nos }) =>
        nos.flatMap(({ first: no, last }) =>
          Array.from(
            { length: last - no + 1 },
            (_, index) => `${recipientAccountId} ${no + index}`,
          ),
        ),
      )
    await waitFor(() => ticks().length >= PAIRS * ACKS_OF_PAIR, { what: 'the last tick' })
    expect(ticks()).toHaveLength(PAIRS * ACKS_OF_PAIR)
    expect(new Set(ticks()).size).toBe(PAIRS * ACKS_OF_PAIR)
  },
)

test(
  'append, ack, expiry, link and unlink on few accounts: no deadlock, nothing left over',
  { timeout: 120_000 },
  async () => {
    // Goal: one order of locks everywhere; the books are closed at the end.
    const before = await deadlocks()
    const accounts = await Promise.all(Array.from({ length: 4 }, () => first.account(2)))
    const accountIds = accounts.map(([device]) => device!.accountId)
    const until = Date.now() + MIX_MS
    const counts = { stored: 0, acked: 0, expired: 0, removed: 0 }

    async function sending(index: number) {
      const store = index % 2 === 0 ? first : second
      const sender = await openSender(store, accounts[index]![0]!)
      const others = accountIds.filter((_, other) => other !== index)
      for (let turn = 0; Date.now() < until; turn++) {
        const to = turn % 3 === 0 ? others : [others[turn % others.length]!]
        const lifetimeS = turn % 4 === 0 ? 1 : 3600
        const outcome = await sender.send(to, { lifetimeS })
        if (outcome?.$case !== 'stored') throw new Error('not stored', { cause: outcome })
        counts.stored += 1
      }
    }
    async function acking(index: number, which: 0 | 1) {
      const store = (index + which) % 2 === 0 ? first : second
      const device = accounts[index]![which]!
      for (let turn = 0; Date.now() < until; turn++) {
        const [head] = await store.heads(device)
        if (!head!.hasCursor) return
        const failed = turn % 5 === 0 ? [head!.headSeq] : []
        await store.ack(device, head!.headSeq, { failed })
        counts.acked += 1
      }
    }
    async function linking(index: number) {
      for (let deviceId = 10; Date.now() < until; deviceId++) {
        const device = { accountId: accountIds[index]!, deviceId }
        await first.addDevice(device)
        await second.removeDevice(device)
        counts.removed += 1
      }
    }
    async function expiring(store: TestStore) {
      while (Date.now() < until) counts.expired += (await store.expire({ mailboxesMax: 3 })).expired
    }
    await Promise.all([
      ...[...accounts.keys()].flatMap((index) => [
        sending(index),
        acking(index, 0),
        linking(index),
      ]),
      ...[0, 1].map((index) => acking(index, 1)),
      expiring(first),
      expiring(second),
    ])
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(5)
    expect((await deadlocks()) - before).toBe(0)
    for (const device of accounts.flat()) {
      const { headSeq } = await first.fetch(device)
      await first.ack(device, headSeq)
    }
    expect(Object.values(await findOrphans(first.db))).toEqual([0, 0, 0, 0, 0, 0])
    expect(await first.rows('select from mailbox.entry')).toHaveLength(0)
  },
)
