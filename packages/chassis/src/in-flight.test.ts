import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { leftBy } from '../../../test/heap.ts'
import { Failure } from './failure.ts'
import { createInFlight, type InFlight } from './in-flight.ts'

const bounds = { deadlineMs: 20, inFlightMax: 2, inFlightBytesMax: 100 }
const nothing = () => undefined

function ask<T>(inFlight: InFlight<T, number>, item: T, bytes: number) {
  const { promise: answer, resolve, reject } = Promise.withResolvers<number>()
  const question = inFlight.add({ item, resolve, reject }, bytes)
  return question && { question, answer }
}

test('a verdict settles its own question', async () => {
  const inFlight = createInFlight<string, number>(bounds, nothing)
  const first = ask(inFlight, 'a', 1)!
  const second = ask(inFlight, 'b', 1)!
  inFlight.answer(second.question.id, 2)
  inFlight.answer(first.question.id, 1)
  expect(await Promise.all([first.answer, second.answer])).toEqual([1, 2])
  inFlight.close()
})

test('both bounds hold, and what is settled makes room', () => {
  const inFlight = createInFlight<string, number>(bounds, nothing)
  const large = ask(inFlight, 'large', 90)!
  expect(ask(inFlight, 'too large', 11)).toBeUndefined()
  ask(inFlight, 'fits', 10)!.answer.catch(nothing)
  expect(ask(inFlight, 'one too many', 0)).toBeUndefined()
  inFlight.answer(large.question.id, 1)
  ask(inFlight, 'fits now', 90)!.answer.catch(nothing)
  inFlight.rejectAll(new Failure('UNAVAILABLE', 'over'))
  inFlight.close()
})

test('without a verdict in time a question fails, and says whether it was sent', async () => {
  let expired = 0
  const inFlight = createInFlight<string, number>(bounds, () => (expired += 1))
  const sent = ask(inFlight, 'sent', 1)!
  const unsent = ask(inFlight, 'unsent', 1)!
  sent.question.isSent = true
  const failures = await Promise.allSettled([sent.answer, unsent.answer])
  expect(failures.map((one) => one.status === 'rejected' && one.reason)).toMatchObject([
    { code: 'DEADLINE_EXCEEDED', hadNoEffect: false },
    { code: 'DEADLINE_EXCEEDED', hadNoEffect: true },
  ])
  expect(expired).toBeGreaterThan(0)
  // A verdict that comes too late meets nobody.
  inFlight.answer(sent.question.id, 1)
  expect(inFlight.has(sent.question.id)).toBe(false)
})

test('the deadline is each question’s own', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const inFlight = createInFlight<string, number>(bounds, nothing)
    const early = ask(inFlight, 'early', 1)!
    const isEarlyOver = expect(early.answer).rejects.toBeInstanceOf(Failure)
    vi.advanceTimersByTime(12)
    const late = ask(inFlight, 'late', 1)!
    const isLateOver = expect(late.answer).rejects.toBeInstanceOf(Failure)
    vi.advanceTimersByTime(10)
    await isEarlyOver
    expect(inFlight.has(late.question.id)).toBe(true)
    vi.advanceTimersByTime(12)
    await isLateOver
  } finally {
    vi.useRealTimers()
  }
})

test('all are rejected oldest first', async () => {
  const inFlight = createInFlight<string, number>(bounds, nothing)
  const order: string[] = []
  ask(inFlight, 'a', 1)!.answer.catch(() => order.push('a'))
  ask(inFlight, 'b', 1)!.answer.catch(() => order.push('b'))
  inFlight.rejectAll(new Failure('UNAVAILABLE', 'over'))
  await wait(0)
  expect(order).toEqual(['a', 'b'])
  inFlight.close()
})

test('what is settled leaves little', async () => {
  const many = { deadlineMs: 60_000, inFlightMax: 100, inFlightBytesMax: 100 }
  const inFlight = createInFlight<string[], number>(many, nothing)
  const ids: number[] = []
  async function askOften(times: number) {
    for (let count = 0; count < times; count++) {
      ids.push(ask(inFlight, new Array<string>(100).fill('x'), 1)!.question.id)
      if (ids.length === 30) inFlight.answer(ids.shift()!, 1)
      if (count % 100 === 0) await turn()
    }
  }
  await askOften(1_000)
  expect(await leftBy(() => askOften(50_000)), 'of 40 MB').toBeLessThan(14_000_000)
  for (const id of ids) inFlight.answer(id, 1)
  inFlight.close()
})

test('where the clock of the wall goes back, a question still has its deadline', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  try {
    const inFlight = createInFlight<string, number>({ ...bounds, deadlineMs: 1_900 }, nothing)
    const rejected: string[] = []
    const askFor = (item: string) =>
      inFlight.add({ item, resolve: nothing, reject: () => rejected.push(item) }, 1)
    askFor('before')
    vi.advanceTimersByTime(500)
    vi.setSystemTime(Date.now() - 3_600_000)
    askFor('after')
    vi.advanceTimersByTime(2_000)
    expect(rejected).toEqual(['before', 'after'])
    inFlight.close()
  } finally {
    vi.useRealTimers()
  }
})
