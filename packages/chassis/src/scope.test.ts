import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createLog } from './log.ts'
import { openScope } from './scope.ts'

const log = createLog('scope.test', 'silent')

test('closing undoes the last opened first, each after the one before it is done', async () => {
  const scope = openScope('test', { log })
  const events: string[] = []
  scope.defer('first', () => events.push('first'))
  scope.defer('second', async () => {
    await wait(5)
    events.push('second')
  })
  scope.defer('third', () => events.push('third'))
  await scope.close()
  expect(events).toEqual(['third', 'second', 'first'])
})

test('readiness is off and `stopping` has aborted before the first step', async () => {
  const scope = openScope('test', { log })
  scope.ready()
  expect(scope.isReady()).toBe(true)
  let seen: unknown
  scope.defer('step', () => {
    seen = { isReady: scope.isReady(), isStopping: scope.stopping.aborted }
  })
  await scope.close()
  expect(seen).toEqual({ isReady: false, isStopping: true })
  scope.ready()
  expect(scope.isReady()).toBe(false)
})

test('a step that fails does not keep the others from running, and is reported', async () => {
  const scope = openScope('test', { log })
  const events: string[] = []
  scope.defer('first', () => events.push('first'))
  scope.defer('broken', () => {
    throw new Error('broken')
  })
  await expect(scope.close()).rejects.toMatchObject({ errors: [new Error('broken')] })
  expect(events).toEqual(['first'])
})

test('all steps share one deadline: past it they are begun but not waited for', async () => {
  const scope = openScope('test', { log, drainMs: 30 })
  let isBegun = false
  scope.defer('first', () => {
    isBegun = true
    return new Promise(() => undefined)
  })
  scope.defer('hanging', () => new Promise(() => undefined))
  const begunAt = Date.now()
  await expect(scope.close()).rejects.toMatchObject({
    errors: [
      expect.objectContaining({ message: expect.stringContaining('hanging') }),
      expect.objectContaining({ message: expect.stringContaining('first') }),
    ],
  })
  expect(Date.now() - begunAt).toBeLessThan(1_000)
  expect(isBegun).toBe(true)
})

test('closing twice undoes once', async () => {
  const scope = openScope('test', { log })
  let count = 0
  scope.defer('step', () => (count += 1))
  await Promise.all([scope.close(), scope.close()])
  expect(count).toBe(1)
})

test('what a start opens after the stop is undone at once', async () => {
  const scope = openScope('test', { log })
  await scope.close()
  const undone = new Promise<void>((resolve) => scope.defer('late', resolve))
  await undone
})
