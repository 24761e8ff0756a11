import { expect, test } from 'vitest'
import { createOutflow } from './outflow.ts'

/** A connection whose flushes are answered when the test says so. */
function slowConnection() {
  const waiting: { resolve: () => void }[] = []
  return {
    flush() {
      const flush = Promise.withResolvers<undefined>()
      waiting.push({ resolve: () => flush.resolve(undefined) })
      return flush.promise.then(() => undefined)
    },
    waiting,
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

test('beyond the bound messages are dropped, until the server has taken what is pending', async () => {
  const outflow = createOutflow(1_000)
  const connection = slowConnection()
  expect(outflow.admit(600, connection)).toBe(true)
  expect(outflow.admit(600, connection)).toBe(false)
  expect(connection.waiting).toHaveLength(1)
  connection.waiting[0]?.resolve()
  await settled()
  expect(outflow.admit(600, connection)).toBe(true)
})

test('what was published during a flush is still pending after it', async () => {
  const outflow = createOutflow(1_000)
  const connection = slowConnection()
  outflow.admit(500, connection)
  outflow.admit(400, connection)
  connection.waiting[0]?.resolve()
  await settled()
  expect(outflow.admit(700, connection)).toBe(false)
  expect(outflow.admit(600, connection)).toBe(true)
})

test('a flush of a lost connection changes nothing for the next one', async () => {
  const outflow = createOutflow(1_000)
  const lost = slowConnection()
  outflow.admit(900, lost)
  outflow.reset()
  const next = slowConnection()
  expect(outflow.admit(900, next)).toBe(true)
  lost.waiting[0]?.resolve()
  await settled()
  expect(outflow.admit(900, next)).toBe(false)
  expect(next.waiting).toHaveLength(1)
})
