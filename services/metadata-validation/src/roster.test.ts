// Goal: a send's roster is current, or the difference says what is missing and what is extra.

import { type AccountId } from '@twotick/protocol'
import { expect, test } from 'vitest'
import { compareRoster } from './roster.ts'

const account = (name: string, ...deviceIds: number[]) => ({
  accountId: name as AccountId,
  devicesVersion: 1,
  isDormant: false,
  deviceIds,
})
const alice = account('alice', 1, 2)
const bob = account('bob', 1, 3)
const sender = { accountId: alice.accountId, deviceId: 1 }
const direct = { recipients: [bob], sender: alice, isGroup: false, rosterVersion: 5 }
const group = { ...direct, isGroup: true }
const part = (accountId: string, deviceId: number) => ({ accountId, deviceId })
const all = [part('bob', 1), part('bob', 3), part('alice', 2)]

test('goal: without parts the version decides, and 0 is any version of an account', () => {
  const compare = (rosterVersion: number, current = direct) =>
    compareRoster({ rosterVersion, parts: [] }, sender, current)
  const stale = { rosterVersion: 5, missing: [], extra: [] }
  expect(compare(5)).toBeUndefined()
  expect(compare(0)).toBeUndefined()
  expect(compare(4)).toEqual(stale)
  expect(compare(6)).toEqual(stale)
  expect(compare(5, group)).toBeUndefined()
  expect(compare(0, group)).toEqual(stale)
})

test('goal: parts are for exactly the recipients’ devices and the sender’s other ones', () => {
  const compare = (parts: typeof all, rosterVersion = 5) =>
    compareRoster({ rosterVersion, parts }, sender, direct)
  expect(compare(all)).toBeUndefined()
  expect(compare(all.toReversed())).toBeUndefined()
  expect(compare(all, 0)).toEqual({ rosterVersion: 5, missing: [], extra: [] })
  expect(compare(all.slice(1))).toEqual({ rosterVersion: 5, missing: [part('bob', 1)], extra: [] })
  expect(compare([...all, part('alice', 1), part('carol', 1)])).toEqual({
    rosterVersion: 5,
    missing: [],
    extra: [part('alice', 1), part('carol', 1)],
  })
  expect(compare([part('bob', 2)], 4)).toEqual({
    rosterVersion: 5,
    missing: all,
    extra: [part('bob', 2)],
  })
})
