// Goal: the store gives no first tick on a Postgres that keeps less than it was told to expect.

import { connectPostgres, createLog } from '@twotick/chassis'
import { expect, test, vi } from 'vitest'
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
    const warn = vi.spyOn(log, 'warn')
    const warnings = () => warn.mock.calls.map(([message]) => message)
    await checkDurability(db, 'single', log)
    const before = warnings()
    await db.query('set synchronous_commit = off')
    await checkDurability(db, 'single', log)
    const loses = 'Postgres runs with synchronous_commit off: a crash of its loses messages'
    expect(before).not.toContain(loses)
    expect(warnings()).toContain(loses)
    await db.query('set synchronous_commit = on')

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
