import { expect, test } from 'vitest'
import { createAccountMarks } from './account-mark.ts'

const DAY_MS = 86_400_000
const ALICE = '0198a1b2-0000-7000-8000-000000000001'
const BOB = '0198a1b2-0000-7000-8000-000000000002'

test('a mark tells accounts apart for a day, in one process, and is no id', () => {
  // Goal: a trace can be read, and says of nobody who they are, tomorrow or elsewhere.
  const mark = createAccountMarks()
  expect(mark(ALICE, 10)).toBe(mark(ALICE, DAY_MS - 1))
  expect(mark(ALICE, 10)).not.toBe(mark(BOB, 10))
  expect(mark(ALICE, 10)).toMatch(/^[0-9a-f]{16}$/)
  const today = mark(ALICE, DAY_MS)
  expect(today).not.toBe(createAccountMarks()(ALICE, DAY_MS))
  const yesterday = createAccountMarks()
  expect(yesterday(ALICE, 0)).not.toBe(yesterday(ALICE, DAY_MS))
})
