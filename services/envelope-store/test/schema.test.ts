// A store that is started on a database that its release has not been migrated to.

import { expect, test } from 'vitest'
import { takeNewestMigration } from '../../../test/migration.ts'
import { testDatabase } from '../../../test/servers.ts'
import { SCHEMA } from '../src/schema.ts'
import { startStore } from './store.ts'

test('a store begins once its newest migration is there', async () => {
  // Goal: a release that comes before its migrations takes no work, and then needs nobody.
  const database = await testDatabase()
  const newest = await takeNewestMigration(database.url, SCHEMA.name)
  expect(SCHEMA.migration).toBe(newest.number)
  let isThere = false
  const starting = startStore({ database }).finally(() => (isThere = true))
  await newest.missed('twotick_store')
  expect(isThere).toBe(false)
  await newest.giveBack()
  await (await starting).close()
  await database.drop()
})
