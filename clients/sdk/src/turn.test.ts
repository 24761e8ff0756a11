// Turns: nothing leaves the device before it is durable, and nothing after the device has stopped.

import { expect, test } from 'vitest'
import { memoryStorage, SELF, type Storage } from './storage.ts'
import { createTurns } from './turn.ts'

const POSITION = { position: 1, inboxNo: 0 }

function turnsOn(storage: Storage) {
  const seen: string[] = []
  const turns = createTurns({
    storage,
    settle: () => seen.push('settled'),
    fail(error) {
      seen.push(`failed: ${String(error)}`)
      turns.stop(new Error('stopped'))
    },
  })
  return { turns, seen }
}

test('what a step owes the outside is done once its changes are durable', async () => {
  // Goal: design §5: an ack, a tick or the next send goes out after the local transaction.
  const storage = memoryStorage()
  const { turns, seen } = turnsOn({
    ...storage,
    async commit(changes) {
      await storage.commit(changes)
      seen.push('durable')
    },
  })
  await turns.enter((turn) => {
    turn.put('receiving', SELF, POSITION)
    turn.after(() => seen.push('told'))
    seen.push('drafted')
  })
  expect(seen).toEqual(['drafted', 'durable', 'told', 'settled'])
})

test('a commit that fails stops the device, and nothing is told', async () => {
  // Goal: what is in memory then is not what is durable; whoever waits is told so.
  const commit = () => Promise.reject(new Error('the disk is full'))
  const { turns, seen } = turnsOn({ ...memoryStorage(), commit })
  const first = turns.enter((turn) => {
    turn.put('receiving', SELF, POSITION)
    turn.after(() => seen.push('told'))
  })
  const second = turns.enter(() => void seen.push('went on'))
  await expect(first).rejects.toThrow('stopped')
  await expect(second).rejects.toThrow('stopped')
  await expect(turns.enter(() => undefined)).rejects.toThrow('stopped')
  expect(seen).toEqual(['failed: Error: the disk is full'])
})

test('once an effect has stopped the device, the rest of the turn is not done', async () => {
  // Goal: no timer and no frame of a device that has just found out that it is an old copy.
  const { turns, seen } = turnsOn(memoryStorage())
  const stopping = turns.enter((turn) => turn.after(() => turns.stop(new Error('forked'))))
  const behind = turns.enter((turn) => turn.after(() => seen.push('told')))
  await expect(stopping).rejects.toThrow('forked')
  await expect(behind).rejects.toThrow('forked')
  expect(seen).toEqual([])
})
