// Goal: what is passed on without an answer follows what can be answered in time, however many wait;
// and what is held is bounded.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createBudget } from './budget.ts'

const ANSWER_MS = 2_000
const QUICK_MS = 10
const SLOW_MS = 1_000

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

const open = () => createBudget({ countMax: 1_000, bytesMax: 1e9, answerMs: ANSWER_MS })
type Open = ReturnType<typeof open>

/** Takes `max` places, or all that there are; returns how many. */
function fill(budget: Open, max = Infinity): number {
  let passed = 0
  for (; passed < max && budget.pass(); passed++) budget.enter(1)
  return passed
}

function answer(budget: Open, count: number, tookMs: number, isAnswered = true): void {
  for (let left = 0; left < count; left++) budget.leave(1, { tookMs, isAnswered })
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

test('it falls from what there was, where that was far below the bound', () => {
  const budget = open()
  fill(budget, 200)
  answer(budget, 200, SLOW_MS)
  expect(fill(budget)).toBe(140)
})

test('a slow answer while there is little to do says nothing', () => {
  const budget = open()
  fill(budget, 64)
  answer(budget, 64, SLOW_MS)
  expect(fill(budget)).toBe(1_000)
})

test('sends of a session that ended at once are no quick answers', () => {
  const budget = open()
  answer(budget, fill(budget), SLOW_MS)
  const lowered = fill(budget)
  for (let left = 0; left < 1_000; left++) {
    answer(budget, 1, QUICK_MS, false)
    fill(budget)
  }
  answer(budget, lowered, QUICK_MS, false)
  expect(fill(budget)).toBe(lowered)
})

test('it does not fall so low that nothing could be learnt', () => {
  const budget = open()
  for (let rounds = 0; rounds < 50; rounds++) {
    answer(budget, fill(budget), SLOW_MS)
    vi.advanceTimersByTime(ANSWER_MS)
  }
  expect(fill(budget)).toBe(64)
})

test('a place that gets free goes to one of those that wait, in turn', () => {
  const budget = open()
  fill(budget)
  const passed: string[] = []
  const waiter = (name: string) => ({ pass: () => void passed.push(name) })
  const [one, two, three] = [waiter('one'), waiter('two'), waiter('three')]
  for (const each of [one, two, three]) budget.whenPlace(each)
  budget.forget(two)
  answer(budget, 1, QUICK_MS)
  expect(passed).toEqual(['one'])
  answer(budget, 1, QUICK_MS)
  expect(passed).toEqual(['one', 'three'])
  expect(budget.pass()).toBe(false) // both places are taken again
  answer(budget, 1, QUICK_MS)
  expect(budget.pass()).toBe(true)
})

test('bytes are bounded, with a place or without', () => {
  const budget = createBudget({ countMax: 10, bytesMax: 100, answerMs: ANSWER_MS })
  expect(budget.enter(60)).toBe(true)
  expect(budget.enter(41)).toBe(false)
  expect(budget.enter(40)).toBe(true)
  budget.leave(60, undefined)
  expect(budget.enter(60)).toBe(true)
})
