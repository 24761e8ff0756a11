// Goal: what is taken in without an answer follows what can be answered in time.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createBudget } from './budget.ts'

const ANSWER_MS = 2_000
const QUICK_MS = 10
const SLOW_MS = 1_000

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

const open = () => createBudget({ countMax: 1_000, bytesMax: 1e9, answerMs: ANSWER_MS })
type Open = ReturnType<typeof open>

/** Fills the budget; returns how much went in. */
function fill(budget: Open): number {
  let taken = 0
  for (; !budget.isSpent(); taken++) budget.take(1)
  return taken
}

function answer(budget: Open, count: number, waitedMs: number): void {
  for (let answered = 0; answered < count; answered++) budget.giveBack(1, waitedMs, true)
}

test('slow answers lower the bound, step by step; quick ones raise it again', () => {
  const budget = open()
  expect(fill(budget)).toBe(1_000)
  answer(budget, 1_000, SLOW_MS)
  expect(fill(budget)).toBe(700) // all of them are one step
  vi.advanceTimersByTime(ANSWER_MS)
  answer(budget, 700, SLOW_MS)
  expect(fill(budget)).toBe(490)
  let raised = 0
  for (let answered = 0; answered < 1_000; answered++) {
    answer(budget, 1, QUICK_MS)
    raised += fill(budget) - 1
  }
  expect(Math.round(raised / 10)).toBe(10)
})

test('it does not fall so low that nothing could be learnt', () => {
  const budget = open()
  for (let rounds = 0; rounds < 50; rounds++) {
    answer(budget, fill(budget), SLOW_MS)
    vi.advanceTimersByTime(ANSWER_MS)
  }
  expect(fill(budget)).toBe(64)
})

test('who waits for room goes on in turn; and fails where nobody is answered any more', () => {
  const budget = open()
  fill(budget)
  const said: string[] = []
  const waiter = (name: string) => ({
    resume: () => void said.push(`${name} goes on`),
    fail: () => void said.push(`${name} fails`),
  })
  budget.whenRoom(waiter('one'))
  answer(budget, 1, QUICK_MS)
  expect(said).toEqual(['one goes on'])
  fill(budget)
  budget.whenRoom(waiter('two'))
  budget.whenRoom(waiter('three'))
  vi.advanceTimersByTime(ANSWER_MS)
  budget.giveBack(1, ANSWER_MS, false)
  expect(said.slice(1)).toEqual(['two fails', 'three fails'])
})

test('however many wait, they fail one after the other, not each within the one before', () => {
  const budget = open()
  const count = fill(budget) + 10_000
  let failed = 0
  const fail = () => {
    failed++
    budget.giveBack(1, ANSWER_MS, false)
  }
  for (let taken = count - 10_000; taken < count; taken++) {
    budget.take(1)
    budget.whenRoom({ resume: () => undefined, fail })
  }
  vi.advanceTimersByTime(ANSWER_MS)
  budget.giveBack(1, ANSWER_MS, false)
  expect(failed).toBe(10_000)
})
