// Goal: an account is dormant as long as none of its devices is seen, and not for longer, however its
// devices are seen and whatever happens at the same moment.

import { unary } from '@twotick/chassis'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { waitFor } from '../../../test/wait.ts'
import {
  recipientsOf,
  sendFrom,
  startDirectory,
  type TestDevice,
  type TestDirectory,
} from './directory.ts'

let directory: TestDirectory

beforeAll(async () => {
  directory = await startDirectory()
})

afterAll(() => directory.close())

const markUnseen = () =>
  unary(directory.expiry, 'unlinkUnseen', { pendingMax: 10 }, { deadlineMs: 5_000 })

/** As after 31 days of which nobody has noted anything. */
async function forget({ address }: TestDevice) {
  const text = 'update directory.device set seen_on = current_date - 31 where account_id = $1'
  await directory.sql(text, [address.accountId])
}

async function isDormant({ address }: TestDevice): Promise<unknown> {
  const text = 'select dormant from directory.account where account_id = $1'
  const [row] = await directory.sql(text, [address.accountId])
  return row?.['dormant']
}

/** Runs `work` while the row of the device is held, and gives what holds it, to write or let go. */
async function holding({ address }: TestDevice, work: (holder: pg.Client) => Promise<void>) {
  const holder = new pg.Client({ connectionString: directory.database.url })
  await holder.connect()
  try {
    await holder.query('begin')
    const text = 'select from directory.device where account_id = $1 for update'
    await holder.query(text, [address.accountId])
    await work(holder)
  } finally {
    await holder.end()
  }
}

async function isSomebodyWaiting(): Promise<boolean> {
  const rows = await directory.sql(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows.length > 0
}

test('goal: a device that stays connected wakes its account by what it sends', async () => {
  const alice = await directory.account()
  const bob = await directory.account()
  const { conversationId } = await directory.group(alice, bob)
  const sendBy = async (sender: TestDevice) => {
    const get = { $case: 'getConversation', value: { conversationId } } as const
    const body = await directory.answer(sender, get)
    if (body?.$case !== 'conversation') throw new Error(JSON.stringify(body))
    const { rosterVersion } = body.value
    const [verdict] = await directory.validate(
      sendFrom(sender, { conversationId }, { rosterVersion }),
    )
    return recipientsOf(verdict)
  }
  await forget(bob)
  await markUnseen()
  expect(await isDormant(bob)).toBe(true)
  expect(await sendBy(alice)).toEqual([])

  expect(await sendBy(bob)).toEqual([alice.address.accountId])
  await waitFor(async () => (await isDormant(bob)) === false)
  await waitFor(async () => `${await sendBy(alice)}` === bob.address.accountId, {
    deadlineMs: 3_000,
  })
})

test('goal: a send that found the row held notes its device by the next one', async () => {
  const carol = await directory.account()
  const text = 'update directory.device set seen_on = current_date - 3 where account_id = $1'
  await directory.sql(text, [carol.address.accountId])
  const isSeenToday = async () => {
    const [row] = await directory.sql(
      `select seen_on = current_date as today from directory.device where account_id = $1`,
      [carol.address.accountId],
    )
    return row?.['today']
  }
  await holding(carol, async () => {
    await directory.validate(sendFrom(carol, carol))
    // Another one's, noted after it: by then it was skipped.
    const dave = await directory.account()
    await forget(dave)
    await directory.sql('update directory.account set dormant = true where account_id = $1', [
      dave.address.accountId,
    ])
    await directory.validate(sendFrom(dave, dave))
    await waitFor(async () => (await isDormant(dave)) === false)
  })
  expect(await isSeenToday()).toBe(false)
  await directory.validate(sendFrom(carol, carol))
  await waitFor(async () => (await isSeenToday()) === true)
})

test('goal: an account that is marked during the handshake of its device is awake after it', async () => {
  const erin = await directory.account()
  await forget(erin)
  await holding(erin, async (holder) => {
    const authenticated = directory.authenticate(erin)
    await waitFor(isSomebodyWaiting)
    const text = 'update directory.account set dormant = true where account_id = $1'
    await directory.sql(text, [erin.address.accountId])
    await holder.query('commit')
    expect(await authenticated).toMatchObject({ $case: 'authenticated' })
  })
  expect(await isDormant(erin)).toBe(false)
})

test('goal: an account is not marked while one of its devices is being noted', async () => {
  const frank = await directory.account()
  await forget(frank)
  await holding(frank, async (holder) => {
    const text = 'update directory.device set seen_on = current_date where account_id = $1'
    await holder.query(text, [frank.address.accountId])
    const marked = markUnseen()
    await waitFor(isSomebodyWaiting)
    await holder.query('commit')
    await marked
  })
  expect(await isDormant(frank)).toBe(false)
})
