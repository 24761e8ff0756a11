// Goal: the cache and the rates of validation, which each replica has of its own: what another one
// changed is noticed, with and without NATS.

import { RefusalCode } from '@twotick/protocol'
import { connectPostgres } from '@twotick/chassis'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNats } from '../../../test/servers.ts'
import { waitFor } from '../../../test/wait.ts'
import { createDirectoryCache } from '../src/cache.ts'
import { recipientsOf, sendFrom, startDirectory, type TestDirectory } from './directory.ts'

let directory: TestDirectory
let replica: TestDirectory

beforeAll(async () => {
  // A lifetime beyond the test's, so that what it sees is not the cache's forgetting by time.
  const env = { TWOTICK_CACHE_LIFETIME_MS: '60000' }
  directory = await startDirectory(env, undefined, await startNats({ own: true }))
  replica = await startDirectory(env, directory)
})

afterAll(async () => {
  await replica.close()
  await directory.close()
})

/**
 * Two accounts of which the replica remembers that one may write to the other, since when nothing said
 * that it may not. News of accounts that are new may come late, and nothing is remembered then.
 */
async function blockedUnheard() {
  for (;;) {
    const [alice, bob] = [await directory.account(), await directory.account()]
    await replica.validate(sendFrom(alice, bob))
    const block = 'insert into directory.block (account_id, blocked_id) values ($1, $2)'
    await directory.sql(block, [bob.address.accountId, alice.address.accountId])
    const [verdict] = await replica.validate(sendFrom(alice, bob))
    if (recipientsOf(verdict) !== RefusalCode.UNKNOWN_RECIPIENT) return [alice, bob] as const
  }
}

describe('the cache', () => {
  test('goal: another replica accepts at once what it did not know of', async () => {
    const [alice, bob] = [await directory.account(), await directory.account()]
    expect(recipientsOf((await replica.validate(sendFrom(alice, bob)))[0])).toHaveLength(1)
    const companion = await directory.companion(alice)
    const [verdict] = await replica.validate(sendFrom(companion, bob))
    expect(recipientsOf(verdict)).toEqual([bob.address.accountId])
  })

  test('goal: another replica stops accepting when it is told of a block or an unlink', async () => {
    const [alice, bob] = [await directory.account(), await directory.account()]
    const companion = await directory.companion(alice)
    await replica.validate(sendFrom(alice, bob), sendFrom(companion, bob))
    await directory.setBlock(bob, alice, true)
    await directory.answer(alice, { $case: 'unlinkDevice', value: { deviceId: 2 } })
    await waitFor(async () => {
      const verdicts = await replica.validate(sendFrom(alice, bob), sendFrom(companion, bob))
      const codes = verdicts.map(recipientsOf)
      return codes[0] === RefusalCode.UNKNOWN_RECIPIENT && codes[1] === RefusalCode.UNLINKED
    })
  })

  test('goal: what changes while it is being read is not remembered', async () => {
    const { accountId } = (await directory.account()).address
    const pool = await connectPostgres({ url: directory.database.directoryUrl })
    const cache = createDirectoryCache(pool, 60_000)
    const wanted = {
      accountIds: new Set([accountId]),
      conversationIds: new Set<never>(),
      blocks: [],
    }
    const bump = `update directory.account set devices_version = devices_version + 1`
    const versionIn = async () => (await cache.read(wanted)).account(accountId)?.devicesVersion
    const holder = new pg.Client({ connectionString: directory.database.url })
    await holder.connect()
    for (const forget of [
      () => cache.forget({ accountIds: new Set([accountId]), conversationIds: new Set() }),
      () => cache.clear(),
    ]) {
      cache.clear()
      await holder.query('begin; lock table directory.account in access exclusive mode')
      const reading = versionIn()
      await waitFor(async () => {
        const waiting = await directory.sql('select from pg_locks where not granted')
        return waiting.length > 0
      })
      forget()
      await holder.query('commit')
      const before = await reading
      await directory.sql(bump)
      expect(await versionIn()).toBe((before ?? 0) + 1)
      // Now it is remembered.
      await directory.sql(bump)
      expect(await versionIn()).toBe((before ?? 0) + 1)
    }
    await holder.end()
    await pool.end()
  })

  test('goal: a lost connection to NATS makes it forget', async () => {
    const [alice, bob] = await blockedUnheard()
    await directory.nats.stop()
    expect(recipientsOf((await replica.validate(sendFrom(alice, bob)))[0])).toHaveLength(1)
    await directory.nats.restart()
    await waitFor(async () => {
      const [verdict] = await replica.validate(sendFrom(alice, bob))
      return recipientsOf(verdict) === RefusalCode.UNKNOWN_RECIPIENT
    })
  })

  test('goal: without NATS the lifetime ends what is out of date', async () => {
    const lonely = await startDirectory(
      { TWOTICK_NATS_URL: 'nats://127.0.0.1:1', TWOTICK_CACHE_LIFETIME_MS: '200' },
      directory,
    )
    const [alice, bob] = [await directory.account(), await directory.account()]
    await lonely.validate(sendFrom(alice, bob))
    await directory.setBlock(bob, alice, true)
    await waitFor(async () => {
      const [verdict] = await lonely.validate(sendFrom(alice, bob))
      return recipientsOf(verdict) === RefusalCode.UNKNOWN_RECIPIENT
    })
    await lonely.close()
  })
})

describe('rates', () => {
  test('goal: a burst is followed by RATE_LIMITED with a time to wait, for that pair only', async () => {
    const bounded = await startDirectory({ TWOTICK_RATE_PAIR_MESSAGES: '3+0.1/s' }, directory)
    const [alice, bob, carol] = [
      await directory.account(),
      await directory.account(),
      await directory.account(),
    ]
    // Refused for another reason: takes nothing from the bucket.
    const stale = sendFrom(alice, bob, { rosterVersion: 99 })
    const sends = [...Array(5).fill(stale), ...Array(4).fill(sendFrom(alice, bob))]
    const verdicts = await bounded.validate(...sends, sendFrom(alice, carol))
    expect(verdicts.slice(0, 5).map(recipientsOf)).toEqual(Array(5).fill(RefusalCode.ROSTER_STALE))
    expect(verdicts.slice(5).map(recipientsOf)).toEqual([
      ...Array(3).fill([bob.address.accountId]),
      RefusalCode.RATE_LIMITED,
      [carol.address.accountId],
    ])
    const limited = verdicts[8]?.outcome
    if (limited?.$case !== 'refusal') throw new Error('not refused')
    expect(limited.value.retryAfterMs).toBeGreaterThan(5_000)
    expect(limited.value.retryAfterMs).toBeLessThanOrEqual(10_000)
    await bounded.close()
  })
})
