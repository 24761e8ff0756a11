// Goal: one answer for each send, in order and true, whatever becomes of the validation's and the
// store's answers; and nothing is read beyond the bounds.

import { EnvelopeType, type Refusal, RefusalCode, type Send } from '@twotick/protocol'
import type { SendVerdict } from '@twotick/protocol/services'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createBudget } from './budget.ts'
import { createIntake } from './intake.ts'
import type { Outcome } from './writes.ts'

const ACCEPTED = { recipientAccountIds: [], lifetimeS: 60 }
const UNKNOWN: Outcome = { $case: 'unknown', value: { retryAfterMs: 10 } }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function sendOf(no: number, prevNo = no - 1): Send {
  return {
    no,
    prevNo,
    tag: new Uint8Array(8),
    to: undefined,
    rosterVersion: 0,
    type: EnvelopeType.MESSAGE,
    lifetimeS: 0,
    ciphertext: new Uint8Array(),
    parts: [],
  }
}

function refusal(code: RefusalCode): { $case: 'refusal'; value: Refusal } {
  return { $case: 'refusal', value: { code, detail: '', retryAfterMs: 0 } }
}

const stored: Outcome = { $case: 'stored', value: { acceptedAtMs: 1 } }
const accepted: SendVerdict['outcome'] = { $case: 'accepted', value: ACCEPTED }

/** An intake whose validation and store answer when the test says so. */
function bench(options: { sentNo?: number; sendsMax?: number; countMax?: number } = {}) {
  const said: string[] = []
  const validations: { no: number; answer: (outcome: SendVerdict['outcome']) => void }[] = []
  const appends: { no: number; answer: (outcome: Outcome) => void }[] = []
  const budget = createBudget({
    countMax: options.countMax ?? 1_000,
    bytesMax: 1_000_000,
    answerMs: 2_000,
  })
  const intake = createIntake(
    {
      validate: ({ no }) =>
        new Promise((resolve) => {
          const answer = (outcome: SendVerdict['outcome']) =>
            resolve(outcome && { id: 0, outcome, roster: undefined })
          validations.push({ no, answer })
        }),
      append: ({ no }) => new Promise((answer) => appends.push({ no, answer })),
      stored: (no) => said.push(`stored ${no}`),
      rejected: ({ no, code }) => said.push(`rejected ${no} ${code}`),
      end(why) {
        said.push(`end ${why.code}`)
        intake.close()
      },
      pause: () => said.push('pause'),
      resume: () => said.push('resume'),
    },
    {
      sentNo: options.sentNo ?? 0,
      answerMs: 2_000,
      sendsMax: options.sendsMax ?? 64,
      sendBytesMax: 100_000,
      budget,
    },
  )
  const turn = () => vi.advanceTimersByTimeAsync(0)
  async function validated(outcome = accepted) {
    validations.shift()?.answer(outcome)
    await turn()
  }
  async function appended(outcome: Outcome) {
    appends.shift()?.answer(outcome)
    await turn()
  }
  return { intake, budget, said, validations, appends, validated, appended, turn }
}

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

  test('nor while all sessions together have', async () => {
    const { intake, said, validated, appended } = bench({ countMax: 1 })
    intake.accept(sendOf(1))
    await validated()
    await appended(stored)
    expect(said).toEqual(['pause', 'stored 1', 'resume'])
  })

  test('closing gives back what was taken, and settles who waits', async () => {
    const { intake, said } = bench({ countMax: 1 })
    intake.accept(sendOf(1))
    const idle = intake.idle()
    intake.close()
    await idle
    expect(said).toEqual(['pause', 'resume'])
  })
  test('an answer that ends the session gives back no more than was taken', async () => {
    const { intake, budget, said, validated, appended } = bench({ countMax: 1 })
    intake.accept(sendOf(1))
    await validated()
    await appended(refusal(RefusalCode.REPLACED))
    expect(said).toEqual(['pause', `end ${RefusalCode.REPLACED}`, 'resume'])
    budget.take(1)
    expect(budget.isSpent()).toBe(true)
  })
})
