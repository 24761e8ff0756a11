// Goal: nothing is read or passed on beyond the bounds, of the session or of the whole gateway; and no
// device waits longer than it may for an answer or the end of its session.

import { RefusalCode } from '@twotick/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bench, refusal, sendOf, stored } from '../test/intake-bench.ts'
import { createBudget } from './budget.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('bounds', () => {
  test('the session is not read while it has too many sends', async () => {
    const { intake, said, validated, appended } = bench({ sendsMax: 2 })
    intake.accept(sendOf(1))
    intake.accept(sendOf(2))
    expect(said).toEqual(['pause'])
    await validated()
    await appended(stored)
    expect(said).toEqual(['pause', 'stored 1', 'resume'])
  })

  test('nor while one of its sends has no place at the services', async () => {
    const { intake, said, validations, validated, appended } = bench({ countMax: 1 })
    intake.accept(sendOf(1))
    expect(said).toEqual([])
    intake.accept(sendOf(2))
    intake.accept(sendOf(3))
    expect(said).toEqual(['pause'])
    expect(validations.map(({ no }) => no)).toEqual([1])
    await validated()
    await appended(stored)
    expect(validations.map(({ no }) => no)).toEqual([2])
    await validated()
    await appended(stored)
    expect(said).toEqual(['pause', 'stored 1', 'stored 2', 'resume'])
    expect(validations.map(({ no }) => no)).toEqual([3])
  })

  test('however many sessions wait, no more is passed on than there are places', async () => {
    const budget = createBudget({ countMax: 3, bytesMax: 1e6, answerMs: 2_000 })
    const benches = Array.from({ length: 20 }, () => bench({ budget }))
    const passed = () => benches.reduce((sum, each) => sum + each.validations.length, 0)
    for (const { intake } of benches) for (const no of [1, 2]) intake.accept(sendOf(no))
    for (let answered = 0; answered < 40;) {
      const having = benches.filter(({ validations }) => validations.length > 0)
      for (const each of having) {
        expect(passed()).toBe(Math.min(3, 40 - answered++))
        await each.validated(refusal(RefusalCode.RATE_LIMITED))
      }
      // Places go round: nobody has a second one while another still waits for its first.
      if (answered === 24)
        expect(benches.every(({ said }) => said.join().includes('rej'))).toBe(true)
    }
    expect(benches.every(({ said }) => said.at(-1)?.startsWith('rejected 2'))).toBe(true)
  })

  test('a session that ends waits for no place any more', async () => {
    const budget = createBudget({ countMax: 1, bytesMax: 1e6, answerMs: 2_000 })
    const [one, two, three] = [bench({ budget }), bench({ budget }), bench({ budget })]
    for (const { intake } of [one, two, three]) intake.accept(sendOf(1))
    two.intake.close()
    one.intake.close()
    expect(two.validations).toHaveLength(0)
    expect(three.validations).toHaveLength(1)
  })

  test('what there is no memory for ends the session, and says when to come back', () => {
    const { intake, said } = bench({ bytesMax: 600 })
    intake.accept(sendOf(1))
    intake.accept(sendOf(2))
    intake.accept(sendOf(3))
    expect(said).toEqual([`end ${RefusalCode.UNAVAILABLE}`])
  })

  test('closing gives back what was taken, and settles who waits', async () => {
    const { intake, budget, said } = bench({ countMax: 1 })
    intake.accept(sendOf(1))
    intake.accept(sendOf(2))
    const idle = intake.idle()
    intake.close()
    await idle
    expect(said).toEqual(['pause', 'resume'])
    expect(budget.isSpent()).toBe(false)
  })

  test('an answer that ends the session gives back no more than was taken', async () => {
    const { intake, budget, said, validated, appended } = bench({ countMax: 1 })
    intake.accept(sendOf(1))
    await validated()
    await appended(refusal(RefusalCode.REPLACED))
    expect(said).toEqual([`end ${RefusalCode.REPLACED}`])
    expect(budget.pass()).toBe(true)
    expect(budget.pass()).toBe(false)
  })
})

describe('the wait', () => {
  test('without a place ends the session after two seconds', async () => {
    const { intake, budget, said } = bench({ countMax: 1 })
    budget.pass()
    intake.accept(sendOf(1))
    await vi.advanceTimersByTimeAsync(1_999)
    expect(said).toEqual(['pause'])
    await vi.advanceTimersByTimeAsync(1)
    expect(said.slice(0, 2)).toEqual(['pause', `end ${RefusalCode.UNAVAILABLE}`])
  })

  test('is for the next answer: behind others that are answered it may be longer', async () => {
    const { intake, said, validated, appended } = bench({ countMax: 1 })
    for (const no of [1, 2, 3]) intake.accept(sendOf(no))
    for (let count = 0; count < 2; count++) {
      await vi.advanceTimersByTimeAsync(1_500)
      await validated()
      await appended(stored)
    }
    expect(said).toEqual(['pause', 'stored 1', 'stored 2', 'resume'])
    await vi.advanceTimersByTimeAsync(1_999)
    expect(said).toHaveLength(4)
    await vi.advanceTimersByTimeAsync(1)
    expect(said.at(-1)).toBe(`end ${RefusalCode.UNAVAILABLE}`)
  })

  test('at the services is never longer', async () => {
    const { intake, said, validated, appended } = bench()
    for (const no of [1, 2]) intake.accept(sendOf(no))
    await vi.advanceTimersByTimeAsync(1_500)
    await validated()
    await appended(stored)
    await vi.advanceTimersByTimeAsync(499)
    expect(said).toEqual(['stored 1'])
    await vi.advanceTimersByTimeAsync(1)
    expect(said.at(-1)).toBe(`end ${RefusalCode.UNAVAILABLE}`)
  })
})
