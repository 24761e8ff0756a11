// Goal: one answer for each send, in order and true, whatever becomes of the validation's and the
// store's answers.

import { RefusalCode } from '@twotick/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { accepted, bench, refusal, sendOf, stored, UNKNOWN } from '../test/intake-bench.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the lane', () => {
  test('validates all at once, appends in order, answers in order', async () => {
    const { intake, said, validations, appends, appended, turn } = bench()
    for (const no of [1, 2, 3]) intake.accept(sendOf(no))
    expect(validations.map(({ no }) => no)).toEqual([1, 2, 3])
    validations[2]?.answer(accepted)
    validations[1]?.answer(refusal(RefusalCode.RATE_LIMITED))
    await turn()
    expect(appends).toHaveLength(0)
    validations[0]?.answer(accepted)
    await turn()
    expect(appends.map(({ no }) => no)).toEqual([1, 3])
    expect(said).toEqual([])
    await appended(stored)
    await appended(refusal(RefusalCode.OUT_OF_ORDER))
    expect(said).toEqual([
      'stored 1',
      `rejected 2 ${RefusalCode.RATE_LIMITED}`,
      `rejected 3 ${RefusalCode.OUT_OF_ORDER}`,
    ])
  })

  test('what is stored already is answered so, and no rule can refuse it', async () => {
    const { intake, said, validations, validated, appended } = bench({ sentNo: 5 })
    intake.accept(sendOf(5))
    expect(said).toEqual(['stored 5'])
    intake.accept(sendOf(6))
    intake.accept(sendOf(6, 5))
    expect(validations).toHaveLength(2)
    await validated()
    await validated(refusal(RefusalCode.RATE_LIMITED))
    await appended(stored)
    expect(said).toEqual(['stored 5', 'stored 6', 'stored 6'])
  })

  test.each([RefusalCode.REPLACED, RefusalCode.UNLINKED, RefusalCode.EPOCH_CHANGED])(
    'refusal %i of the store ends the session',
    async (code) => {
      const { intake, said, validated, appended } = bench()
      intake.accept(sendOf(1))
      await validated()
      await appended(refusal(code))
      expect(said).toEqual([`end ${code}`])
    },
  )
})

describe('an unknown outcome', () => {
  test('is repeated, earlier ones first, with what came behind', async () => {
    const { intake, said, appends, validated, appended } = bench()
    for (const no of [1, 2, 3]) intake.accept(sendOf(no))
    for (let count = 0; count < 3; count++) await validated()
    await appended(UNKNOWN)
    await appended(UNKNOWN)
    // The third one was refused for what had become of the first two.
    await appended(refusal(RefusalCode.OUT_OF_ORDER))
    intake.accept(sendOf(4))
    await validated()
    expect(appends).toHaveLength(0)
    await vi.advanceTimersByTimeAsync(100)
    expect(appends.map(({ no }) => no)).toEqual([1, 2, 3, 4])
    for (let count = 0; count < 4; count++) await appended(stored)
    expect(said).toEqual(['stored 1', 'stored 2', 'stored 3', 'stored 4'])
  })

  test('waits until all that is under way is known, so that nothing is refused for its order', async () => {
    const { intake, said, appends, validated, appended } = bench()
    for (const no of [1, 2]) intake.accept(sendOf(no))
    for (let count = 0; count < 2; count++) await validated()
    await appended(UNKNOWN)
    await vi.advanceTimersByTimeAsync(300)
    expect(appends.map(({ no }) => no)).toEqual([2])
    await appended(refusal(RefusalCode.OUT_OF_ORDER))
    await vi.advanceTimersByTimeAsync(100)
    expect(appends.map(({ no }) => no)).toEqual([1, 2])
    for (let count = 0; count < 2; count++) await appended(stored)
    expect(said).toEqual(['stored 1', 'stored 2'])
  })

  test('may be settled by Stored alone', async () => {
    const { intake, said, validated, appended } = bench()
    intake.accept(sendOf(1))
    await validated()
    await appended(UNKNOWN)
    await vi.advanceTimersByTimeAsync(100)
    await appended(refusal(RefusalCode.MAILBOX_FULL))
    expect(said).toEqual([`end ${RefusalCode.UNAVAILABLE}`])
  })

  test('is none where the append surely was not sent: then a refusal is definite', async () => {
    const { intake, said, validated, appended } = bench()
    intake.accept(sendOf(1))
    await validated()
    await appended({ $case: 'unsent' })
    await vi.advanceTimersByTimeAsync(100)
    await appended(refusal(RefusalCode.MAILBOX_FULL))
    expect(said).toEqual([`rejected 1 ${RefusalCode.MAILBOX_FULL}`])
  })

  test('ends the session after two seconds', async () => {
    const { intake, said, validated, appended } = bench()
    intake.accept(sendOf(1))
    await validated()
    await appended(UNKNOWN)
    await vi.advanceTimersByTimeAsync(1_999)
    expect(said).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(said).toEqual([`end ${RefusalCode.UNAVAILABLE}`])
  })
})

test('a validation that does not answer is asked again, and ends the session after 2 s', async () => {
  const { intake, said, validations } = bench()
  intake.accept(sendOf(1))
  validations.shift()?.answer(undefined)
  await vi.advanceTimersByTimeAsync(100)
  expect(validations).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(said).toEqual([`end ${RefusalCode.UNAVAILABLE}`])
})
