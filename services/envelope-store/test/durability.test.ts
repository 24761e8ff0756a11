// Goal: the store gives no first tick on a Postgres that keeps less than it was told to expect.

import { connectPostgres, createLog } from '@twotick/chassis'
import { expect, test } from 'vitest'
import { startPostgres } from '../../../test/servers.ts'
import { checkDurability } from '../src/durability.ts'

const log = createLog('test', 'silent')

test('without a synchronous standby it must be said that Postgres is alone', async () => {
  const server = await startPostgres()
  const owner = await connectPostgres({ url: server.database.url })
  const db = await connectPostgres({ url: server.database.storeUrl, poolMax: 1 })
  try {
    await expect(checkDurability(db, 'replicated', log)).rejects.toThrow(
      'TWOTICK_DURABILITY=single',
    )
    await checkDurability(db, 'single', log)

    await owner.query(`alter system set synchronous_standby_names = 'any 1 (*)'`)
    await owner.query('select pg_reload_conf()')
    const said = () => checkDurability(db, 'replicated', log).then(() => 'starts', String)
    await expect.poll(said, { timeout: 10_000 }).toBe('starts')

    // A standby that nobody waits for is none.
    await db.query('set synchronous_commit = local')
    expect(await said()).toContain('synchronous_commit = local')
  } finally {
    await Promise.all([owner.end(), db.end()])
    await server.stop()
  }
})
