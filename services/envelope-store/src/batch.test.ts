import { expect, test } from 'vitest'
import { createBatches } from './batch.ts'

const limits = { itemsMax: 3, bytesMax: 100, queueItemsMax: 5, queueBytesMax: 200 }

const CANNOT_FAIL = 99

/** Batches whose work ends when the test says so. */
function controlled() {
  const runs: { items: readonly number[]; end: () => void; fail: (error: Error) => void }[] = []
  const batches = createBatches<number, number>(limits, {
    run: (items) => {
      const { promise, resolve, reject } = Promise.withResolvers<number[]>()
      runs.push({ items, end: () => resolve(items.map((item) => item * 10)), fail: reject })
      return promise
    },
    isOfOneItem: (error) => (error as Error).message === 'of one item',
    failed: (item) => {
      if (item === CANNOT_FAIL) throw new Error('a bug')
      return -item
    },
  })
  return { batches, runs }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('what arrives while a batch is in flight is the next one', async () => {
  // Goal: one batch in flight, no timers, the order of arrival kept.
  const { batches, runs } = controlled()
  const first = batches.submit(1, 1)
  await turn()
  const rest = [2, 3, 4, 5].map((item) => batches.submit(item, 1))
  await turn()
  expect(runs.map((run) => run.items)).toEqual([[1]])
  runs[0]!.end()
  expect(await first).toBe(10)
  await turn()
  expect(runs.map((run) => run.items)).toEqual([[1], [2, 3, 4]])
  runs[1]!.end()
  await turn()
  runs[2]!.end()
  expect(await Promise.all(rest)).toEqual([20, 30, 40, 50])
  await batches.idle()
})

test('a batch and the queue are bounded, in items and in bytes', async () => {
  // Goal: beyond the bound nothing is begun; one item of any size is a batch.
  const { batches, runs } = controlled()
  void batches.submit(0, 150)
  await turn()
  const sizes = [60, 60, 60]
  const taken = sizes.map((bytes, index) => batches.submit(index + 1, bytes))
  expect(taken.every((promise) => promise !== undefined)).toBe(true)
  expect(batches.submit(9, 60)).toBeUndefined()
  void batches.submit(4, 1)
  void batches.submit(5, 1)
  expect(batches.submit(6, 1)).toBeUndefined()
  runs[0]!.end()
  await turn()
  expect(runs[1]!.items).toEqual([1])
})

test('a batch that fails because of one item is run item by item', async () => {
  // Goal: a poisoned item does not keep others from being written; a failed store is not asked again.
  const { batches, runs } = controlled()
  const outcomes = [1, 2].map((item) => batches.submit(item, 1))
  await turn()
  runs[0]!.fail(new Error('of one item'))
  await turn()
  runs[1]!.fail(new Error('of one item'))
  expect(await outcomes[0]).toBe(-1)
  await turn()
  runs[2]!.end()
  expect(await outcomes[1]).toBe(20)

  const unknown = [3, 4].map((item) => batches.submit(item, 1))
  await turn()
  runs[3]!.fail(new Error('the connection broke'))
  expect(await Promise.all(unknown)).toEqual([-3, -4])
  expect(runs).toHaveLength(4)
})

test('an item whose failure has no outcome keeps no other, and no batch after it', async () => {
  const { batches, runs } = controlled()
  const outcomes = [CANNOT_FAIL, 2].map((item) => batches.submit(item, 1))
  await turn()
  runs[0]!.fail(new Error('the connection broke'))
  await expect(outcomes[0]).rejects.toThrow('a bug')
  expect(await outcomes[1]).toBe(-2)
  const next = batches.submit(3, 1)
  await turn()
  runs[1]!.end()
  expect(await next).toBe(30)
})
