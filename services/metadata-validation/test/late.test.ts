// Goal: a change for which nobody waits any more has no effect: whoever asked for it may have asked
// another replica, and undone it since.

import { connectPostgres, unary } from '@twotick/chassis'
import { type AccountId, type Request } from '@twotick/protocol'
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { waitFor } from '../../../test/wait.ts'
import { createTransact } from '../src/transaction.ts'
import { startDirectory, type TestDevice, type TestDirectory } from './directory.ts'

let directory: TestDirectory
let alice: TestDevice
let mallory: TestDevice

beforeAll(async () => {
  directory = await startDirectory()
  alice = await directory.account()
  mallory = await directory.account()
})

afterAll(() => directory.close())

/** Lets a call come as far as the account's row, and go on only after its caller has given it up. */
async function askTooLate(asker: TestDevice, body: Request['body']) {
  const holder = new pg.Client({ connectionString: directory.database.url })
  await holder.connect()
  try {
    await holder.query('begin')
    await holder.query('select from directory.account where account_id = $1 for update', [
      asker.address.accountId,
    ])
    const request = { asker: asker.address, request: { requestId: 7, body } }
    const call = unary(directory.client, 'ask', request, { deadlineMs: 1_000 })
    await expect(call).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(await openTransactions()).toBe(1)
    await holder.query('rollback')
  } finally {
    await holder.end()
  }
  await waitFor(async () => (await openTransactions()) === 0, { what: 'the late call’s end' })
}

/** Of the service. */
async function openTransactions(): Promise<number> {
  const rows = await directory.sql(
    `select from pg_stat_activity where datname = current_database()
      and usename = 'twotick_directory' and xact_start is not null`,
  )
  return rows.length
}

async function blocksOf({ address }: TestDevice): Promise<number> {
  const block = 'select from directory.block where account_id = $1'
  return (await directory.sql(block, [address.accountId])).length
}

test('goal: a late change of members adds nobody', async () => {
  const { conversationId } = await directory.group(alice)
  const addAccountIds = [mallory.address.accountId]
  const value = { conversationId, addAccountIds, removeAccountIds: [] }
  await askTooLate(alice, { $case: 'changeMembers', value })
  const get = { $case: 'getConversation', value: { conversationId } } as const
  const found = await directory.answer(alice, get)
  expect(found).toMatchObject({ $case: 'conversation', value: { rosterVersion: 1 } })
  expect(await directory.answer(mallory, get)).toMatchObject({ $case: 'refusal' })
})

test('goal: a late unblock leaves the block', async () => {
  await directory.setBlock(alice, mallory, true)
  const value = { accountId: mallory.address.accountId, blocked: false }
  await askTooLate(alice, { $case: 'setBlock', value })
  expect(await blocksOf(alice)).toBe(1)
})

test('goal: what has stood still sees by the clock that it is late, and its connection stays', async () => {
  const pool = await connectPostgres({ url: directory.database.directoryUrl, poolMax: 1 })
  try {
    const transactFor = createTransact(pool, () => undefined)
    const [asker, other] = [mallory.address.accountId, randomUUID() as AccountId]
    const unheard = new AbortController().signal
    const blockWithin = (leftMs: number) =>
      transactFor({ signal: unheard, answerBy: performance.now() + leftMs })((transaction) =>
        transaction.query({
          text: `insert into directory.block (account_id, blocked_id)
            select $1::uuid, $2::uuid from pg_sleep(0.1)`,
          values: [asker, other],
        }),
      )
    const { rows } = await pool.query('select pg_backend_pid() as pid')
    const late = { code: 'DEADLINE_EXCEEDED', hadNoEffect: true }
    await expect(blockWithin(50)).rejects.toMatchObject(late)
    expect(await blocksOf(mallory)).toBe(0)
    expect((await pool.query('select pg_backend_pid() as pid')).rows).toEqual(rows)
    await blockWithin(60_000)
    expect(await blocksOf(mallory)).toBe(1)
  } finally {
    await pool.end()
  }
})
