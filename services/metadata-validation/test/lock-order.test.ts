// Goal: changes of the same accounts and conversations, all at once, never wait for one another in a
// circle.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { waitFor } from '../../../test/wait.ts'
import { startDirectory, type TestDevice, type TestDirectory } from './directory.ts'

let directory: TestDirectory

beforeAll(async () => {
  directory = await startDirectory()
})

afterAll(() => directory.close())

test('goal: many changes of accounts and their groups at once, and no deadlock', async () => {
  const people = await Promise.all(Array.from({ length: 4 }, () => directory.account()))
  const ids = people.map(({ address }) => address.accountId)
  const groups = await Promise.all(
    people.flatMap((maker) => [0, 1, 2, 3].map(() => directory.group(maker, ...people))),
  )
  const backends = async () => {
    const rows = await directory.sql(
      `select pid from pg_stat_activity
        where datname = current_database() and usename = 'twotick_directory'`,
    )
    return new Set(rows.map((row) => row['pid']))
  }
  const others = await backends()
  const replica = await startDirectory({}, directory)
  const linkAndUnlink = async (person: TestDevice) => {
    const companion = await replica.companion(person)
    const value = { deviceId: companion.address.deviceId }
    await replica.answer(companion, { $case: 'unlinkDevice', value })
  }
  const leaveAndReturn = async (person: TestDevice, conversationId: string) => {
    const change = (addAccountIds: string[], removeAccountIds: string[]) => {
      const value = { conversationId, addAccountIds, removeAccountIds }
      return replica.answer(person, { $case: 'changeMembers', value })
    }
    await change([], ids.slice(0, 1))
    await change(ids.toReversed(), [])
  }
  await Promise.all(
    people.map(async (person) => {
      for (let round = 0; round < 8; round += 1) {
        await Promise.all([
          linkAndUnlink(person),
          linkAndUnlink(person),
          ...groups
            .slice(round, round + 4)
            .map((one) => leaveAndReturn(person, one.conversationId)),
        ])
      }
    }),
  )
  await replica.close()
  // A backend's statistics are whole once it has ended.
  await waitFor(async () => (await backends()).difference(others).size === 0)
  const [{ deadlocks } = {}] = await directory.sql(
    'select deadlocks from pg_stat_database where datname = current_database()',
  )
  expect(Number(deadlocks)).toBe(0)
})
