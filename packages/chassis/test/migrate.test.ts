import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/servers.ts'
import { connectPostgres, createLog, type Logger, migrate, untilMigrated } from '../src/index.ts'

let database: TestDatabase
let pool: pg.Pool

beforeEach(async () => {
  database = await testDatabase()
  pool = await connectPostgres({ url: database.url })
})

afterEach(async () => {
  await pool.end()
  await database.drop()
})

function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'twotick-migrations-'))
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(folder, name), sql)
  return folder
}

const FILES = {
  '0001-shelf.sql': 'create table garden.shelf (n int); select pg_sleep(0.05);',
  '0002-filled.sql': 'insert into garden.shelf values (1);',
}

test('replicas that migrate at once apply each file once', async () => {
  const folder = folderOf(FILES)
  await Promise.all(Array.from({ length: 5 }, () => migrate(database.url, folder, 'garden')))
  await migrate(database.url, folder, 'garden')
  expect((await pool.query('select n from garden.shelf')).rows).toEqual([{ n: 1 }])
  const { rows } = await pool.query('select number, name from garden.migration order by number')
  expect(rows).toEqual([
    { number: 1, name: '0001-shelf.sql' },
    { number: 2, name: '0002-filled.sql' },
  ])
})

test('a file that fails leaves nothing of itself, and keeps what came before', async () => {
  const broken = folderOf({
    ...FILES,
    '0003-bad.sql': 'create table garden.bad (n int); drop nothing;',
  })
  await expect(migrate(database.url, broken, 'garden')).rejects.toThrow('0003-bad.sql')
  const { rows } = await pool.query(`select to_regclass('garden.bad') as bad`)
  expect(rows).toEqual([{ bad: null }])
  await migrate(database.url, folderOf({ ...FILES, '0003-good.sql': 'select 1' }), 'garden')
  expect((await pool.query('select count(*) from garden.migration')).rows).toEqual([{ count: 3 }])
})

test('a file that was changed after it was applied is refused', async () => {
  await migrate(database.url, folderOf(FILES), 'garden')
  const changed = folderOf({ ...FILES, '0002-filled.sql': 'select 2' })
  await expect(migrate(database.url, changed, 'garden')).rejects.toThrow('was changed')
})

test('an older replica leaves a newer release’s migrations alone', async () => {
  await migrate(database.url, folderOf({ ...FILES, '0003-more.sql': 'select 1' }), 'garden')
  await migrate(database.url, folderOf(FILES), 'garden')
})

test('a gap or a name out of form is refused before anything is applied', async () => {
  for (const name of ['0004-gap.sql', 'notes.sql']) {
    const folder = folderOf({ ...FILES, [name]: 'select 1' })
    await expect(migrate(database.url, folder, 'garden')).rejects.toThrow('expected number 3')
  }
  const { rows } = await pool.query(`select to_regnamespace('garden') as garden`)
  expect(rows).toEqual([{ garden: null }])
})

test('a service waits for its migration, and says so', async () => {
  // Goal: a release that is started before anybody has migrated takes no work, and needs nobody.
  const folder = folderOf(FILES)
  const said: string[] = []
  const log = { ...createLog('test', 'silent'), warn: (text: string) => said.push(text) }
  const begun = { log: log as unknown as Logger, signal: new AbortController().signal }
  let isMigrated = false
  const second = untilMigrated(pool, { name: 'garden', migration: 2 }, begun)
  void second.then(() => (isMigrated = true))
  await migrate(database.url, folderOf({ '0001-shelf.sql': FILES['0001-shelf.sql'] }), 'garden')
  await untilMigrated(pool, { name: 'garden', migration: 1 }, begun)
  expect(isMigrated).toBe(false)
  await migrate(database.url, folder, 'garden')
  await second
  expect(said).toEqual([expect.stringContaining('lacks migration 2 of schema garden')])
})

test('a service whose migration does not come ends, and says what to do', async () => {
  const signal = new AbortController().signal
  const bounds = { log: createLog('test', 'silent'), signal, timeoutMs: 50 }
  await expect(untilMigrated(pool, { name: 'garden', migration: 1 }, bounds)).rejects.toThrow(
    'run `migrate`',
  )
})
