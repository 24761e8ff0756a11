// An intake whose services answer when a test says so; for its tests beside intake.ts.

import { EnvelopeType, type Refusal, type RefusalCode, type Send } from '@twotick/protocol'
import type { SendVerdict } from '@twotick/protocol/services'
import { vi } from 'vitest'
import { type Budget, createBudget } from '../src/budget.ts'
import { createIntake } from '../src/intake.ts'
import type { Outcome } from '../src/writes.ts'

const ACCEPTED = { recipientAccountIds: [], lifetimeS: 60 }
export const UNKNOWN: Outcome = { $case: 'unknown', value: { retryAfterMs: 10 } }

export function sendOf(no: number, prevNo = no - 1): Send {
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

export function refusal(code: RefusalCode): { $case: 'refusal'; value: Refusal } {
  return { $case: 'refusal', value: { code, detail: '', retryAfterMs: 0 } }
}

export const stored: Outcome = { $case: 'stored', value: { acceptedAtMs: 1 } }
export const accepted: SendVerdict['outcome'] = { $case: 'accepted', value: ACCEPTED }

interface BenchOptions {
  readonly sentNo?: number
  readonly sendsMax?: number
  readonly countMax?: number
  readonly bytesMax?: number
  readonly budget?: Budget
}

/** An intake whose validation and store answer when the test says so. */
export function bench(options: BenchOptions = {}) {
  const said: string[] = []
  const validations: { no: number; answer: (outcome: SendVerdict['outcome']) => void }[] = []
  const appends: { no: number; answer: (outcome: Outcome) => void }[] = []
  const bounds = { countMax: 1_000, bytesMax: 1_000_000, ...options }
  const budget = options.budget ?? createBudget({ ...bounds, answerMs: 2_000 })
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
