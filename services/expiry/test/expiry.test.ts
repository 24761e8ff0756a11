// Goal: what time ends, ends by itself: expired entries, and whatever a crash left half done, also
// when the services that it takes were away or the store's epoch has changed.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { NoticeKind } from '@twotick/protocol'
import { waitFor } from '../../../test/wait.ts'
import {
  countEntries,
  fetch,
  insertAccount,
  insertDevice,
  listCursors,
  listDevices,
  makeAccount,
  openRig,
  type Rig,
  send,
} from './rig.ts'

let rig: Rig

beforeEach(async () => {
  rig = await openRig()
})

afterEach(async () => {
  await rig.close()
})

async function startServices(): Promise<void> {
  await Promise.all([rig.startStore(), rig.startValidation()])
}

test('an expired entry leaves, its sender is told once, and what is not expired stays', async () => {
  await startServices()
  const [alice, bob] = [await makeAccount(rig, 1), await makeAccount(rig, 1)]
  const from = { accountId: alice, deviceId: 1 }
  await send(rig, { from, to: bob, lifetimeS: 1 })
  await send(rig, { from, to: bob, lifetimeS: 3600 })
  await rig.startExpiry()
  await rig.startExpiry()
  await waitFor(async () => (await countEntries(rig, bob)) === 1, { what: 'the entry to leave' })
  await waitFor(async () => (await countEntries(rig, alice)) > 0)
  const { entries } = await fetch(rig, from)
  expect(entries.map((entry) => entry.content)).toMatchObject([
    { $case: 'notice', value: { kind: NoticeKind.EXPIRED, closing: true } },
  ])
  expect(
    (await fetch(rig, { accountId: bob, deviceId: 1 })).entries.map((entry) => entry.seq),
  ).toEqual([2])
})

test('many mailboxes are swept in bounded calls', async () => {
  await startServices()
  const alice = await makeAccount(rig, 1)
  const others = []
  for (let index = 0; index < 12; index += 1) others.push(await makeAccount(rig, 1))
  for (const to of others) {
    await send(rig, { from: { accountId: alice, deviceId: 1 }, to, count: 5, lifetimeS: 1 })
  }
  await rig.startExpiry({ TWOTICK_SWEEP_MAILBOXES_MAX: '2', TWOTICK_SWEEP_ENTRIES_MAX: '3' })
  for (const account of others) {
    await waitFor(async () => (await countEntries(rig, account)) === 0, {
      what: 'an empty mailbox',
    })
  }
  expect(await countEntries(rig, alice)).toBe(60)
})

test('a registration that was left half done is finished', async () => {
  await startServices()
  const accountId = await insertAccount(rig, 'creating')
  await insertDevice(rig, { accountId, deviceId: 1 }, 'adding')
  await rig.startExpiry()
  await waitFor(async () => (await listDevices(rig, accountId))[0]?.[1] === 'active')
  expect(await listCursors(rig, accountId)).toEqual([1])
})

test('a link that was left half done is finished: a cursor, then active', async () => {
  await startServices()
  const accountId = await makeAccount(rig, 1)
  await insertDevice(rig, { accountId, deviceId: 2 }, 'adding')
  await rig.startExpiry()
  await waitFor(async () => (await listDevices(rig, accountId))[1]?.[1] === 'active')
  expect(await listCursors(rig, accountId)).toEqual([1, 2])
})

test('a link that has only just begun is left to its gateway', async () => {
  await startServices()
  const accountId = await makeAccount(rig, 1)
  await insertDevice(rig, { accountId, deviceId: 2 }, 'adding')
  await rig.startExpiry({ TWOTICK_UNLINK_AGE_MS: '3600000' })
  const [other] = [await insertAccount(rig, 'creating')]
  await rig.sql.query(`update directory.account set since = '2000-01-01' where account_id = $1`, [
    other,
  ])
  await insertDevice(rig, { accountId: other, deviceId: 1 }, 'adding')
  await waitFor(async () => (await listDevices(rig, other))[0]?.[1] === 'active')
  expect(await listDevices(rig, accountId)).toContainEqual([2, 'adding'])
})

test('an unlink that was left half done is finished, with all that waited for the device', async () => {
  await startServices()
  const [alice, bob] = [await makeAccount(rig, 1), await makeAccount(rig, 2)]
  await send(rig, { from: { accountId: alice, deviceId: 1 }, to: bob, count: 250 })
  await rig.sql.query(
    `update directory.device set intent = 'removing', since = now() - interval '1 minute'
     where account_id = $1 and device_id = 2`,
    [bob],
  )
  await rig.startExpiry()
  await waitFor(async () => (await listDevices(rig, bob)).length === 1)
  expect(await listCursors(rig, bob)).toEqual([1])
  expect(await countEntries(rig, bob)).toBe(250)
})

test('a replacement that was left half done: the evicted leaves, the new one comes', async () => {
  await startServices()
  const bob = await makeAccount(rig, 5)
  await rig.sql.query(
    `update directory.device set intent = 'removing', since = now() - interval '1 minute'
     where account_id = $1 and device_id = 3`,
    [bob],
  )
  await insertDevice(rig, { accountId: bob, deviceId: 6 }, 'adding', { evicts: 3 })
  await rig.startExpiry()
  await waitFor(async () => (await listDevices(rig, bob)).at(-1)?.[1] === 'active')
  expect((await listDevices(rig, bob)).map(([deviceId]) => deviceId)).toEqual([1, 2, 4, 5, 6])
  expect((await listCursors(rig, bob))?.sort()).toEqual([1, 2, 4, 5, 6])
})

test('a link that the store refuses stays as it is and holds nothing up', async () => {
  await startServices()
  const withoutMailbox = await insertAccount(rig, 'active')
  await insertDevice(rig, { accountId: withoutMailbox, deviceId: 2 }, 'adding')
  const full = await makeAccount(rig, 5)
  await insertDevice(rig, { accountId: full, deviceId: 6 }, 'adding')
  await rig.startExpiry()
  await rig.sql.query(
    `update directory.device set intent = 'removing', since = now() - interval '1 minute'
     where account_id = $1 and device_id = 4`,
    [full],
  )
  await waitFor(async () => (await listDevices(rig, full)).at(-1)?.[1] === 'active')
  expect((await listCursors(rig, full))?.sort()).toEqual([1, 2, 3, 5, 6])
  expect(await listDevices(rig, withoutMailbox)).toEqual([[2, 'adding']])
})

test('a deletion that was left half done is finished, and the senders are told', async () => {
  await startServices()
  const [alice, bob] = [await makeAccount(rig, 1), await makeAccount(rig, 2)]
  const from = { accountId: alice, deviceId: 1 }
  await send(rig, { from, to: bob, count: 3 })
  await rig.sql.query(`update directory.device set intent = 'removing' where account_id = $1`, [
    bob,
  ])
  await rig.sql.query(
    `update directory.account set state = 'deleting', since = now() - interval '1 minute'
     where account_id = $1`,
    [bob],
  )
  await rig.startExpiry()
  await waitFor(async () => {
    const { rows } = await rig.sql.query('select from directory.account where account_id = $1', [
      bob,
    ])
    return rows.length === 0
  })
  expect(await listCursors(rig, bob)).toBeUndefined()
  expect(await countEntries(rig, bob)).toBe(0)
  expect((await fetch(rig, from)).entries).toHaveLength(3)
})

test('a companion that was not seen for long is unlinked, a primary is not', async () => {
  await startServices()
  const bob = await makeAccount(rig, 2)
  await rig.sql.query(
    `update directory.device set seen_on = current_date - 40 where account_id = $1`,
    [bob],
  )
  await rig.startExpiry()
  await waitFor(async () => (await listDevices(rig, bob)).length === 1)
  expect(await listDevices(rig, bob)).toEqual([[1, 'active']])
  expect(await listCursors(rig, bob)).toEqual([1])
})

test('it starts while the others are away, and works when they are there', async () => {
  await rig.startExpiry()
  await rig.startStore()
  const alice = await makeAccount(rig, 1)
  const bob = await makeAccount(rig, 1)
  await send(rig, { from: { accountId: alice, deviceId: 1 }, to: bob, lifetimeS: 1 })
  await insertDevice(rig, { accountId: bob, deviceId: 2 }, 'adding')
  await rig.startValidation()
  await waitFor(async () => (await countEntries(rig, bob)) === 0)
  await waitFor(async () => (await listDevices(rig, bob))[1]?.[1] === 'active')
})

test('after the epoch has changed it goes on with the new one', async () => {
  await rig.startValidation()
  const before = await rig.startStore()
  const alice = await makeAccount(rig, 1)
  const bob = await makeAccount(rig, 1)
  const from = { accountId: alice, deviceId: 1 }
  await rig.startExpiry()
  await send(rig, { from, to: bob, lifetimeS: 1 })
  await waitFor(async () => (await countEntries(rig, bob)) === 0)

  await before.close()
  await rig.sql.query('update mailbox.epoch_counter set counter = counter + 1')
  await rig.startStore()
  await send(rig, { from, to: bob, lifetimeS: 1 })
  await waitFor(async () => (await countEntries(rig, bob)) === 0, { what: 'expiry to go on' })
})
