// Goal: statements that stand alone share nothing, neither their end nor, on Citus, their locks.

import { connectPostgres } from '@twotick/chassis'
import { expect, test } from 'vitest'
import { startPostgres } from '../../../test/servers.ts'
import { transact, withQueries } from '../src/transaction.ts'

test('asked together, statements share their fate in a transaction, and only there', async () => {
  const server = await startPostgres()
  const url = server.database.storeUrl
  const db = await connectPostgres({ url, poolMax: 1 }, { pipeline: true })
  const failing = { text: 'select 1 / 0' }
  const sound = { text: 'select 1 as one' }
  const both = (queries: { rows(statement: { text: string }): Promise<unknown[]> }) =>
    Promise.allSettled([queries.rows(failing), queries.rows(sound)])
  try {
    const [, alone] = await withQueries(db, both)
    expect(alone).toEqual({ status: 'fulfilled', value: [{ one: 1 }] })
    const ofTransaction = transact(db, async (tx) => {
      const [, behind] = await both(tx)
      if (behind?.status === 'rejected') throw behind.reason
    })
    await expect(ofTransaction).rejects.toMatchObject({ code: '22012' })
  } finally {
    await db.end()
    await server.stop()
  }
})
