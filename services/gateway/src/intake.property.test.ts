// Goal: whatever becomes of the answers on the way, a device is told the truth about each send, and the
// store has each once and in order.

import fc from 'fast-check'
import { RefusalCode } from '@twotick/protocol'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { accepted, refusal, sendOf, stored, UNKNOWN } from '../test/intake-bench.ts'
import { createBudget } from './budget.ts'
import { createIntake } from './intake.ts'
import type { Outcome } from './writes.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** What becomes of an append: `late` is told as unknown first and then carried out all the same. */
const fate = fc.constantFrom('ok', 'ok', 'ok', 'unknown', 'lost', 'unsent', 'late' as const)
const rule = fc.constantFrom('accepted', 'accepted', 'accepted', 'refused' as const)

type Fate = 'ok' | 'unknown' | 'lost' | 'unsent' | 'late'

/** Sends 1…count as a device does, and says what it was told of each. */
async function history(count: number, fates: Fate[], rules: ('accepted' | 'refused')[]) {
  const log: number[] = []
  let sentNo = 0
  let calls = 0
  let late: { no: number; prevNo: number }[] = []
  const told = new Map<number, string>()
  let isEnded = false
  /** Sends without an answer; `isMoot`: it will be refused for what came before it. */
  let open: { no: number; isMoot: boolean }[] = []
  let lastStored = 0

  function judge({ no, prevNo }: { no: number; prevNo: number }): Outcome {
    if (no <= sentNo) return stored
    if (prevNo !== sentNo) return refusal(RefusalCode.OUT_OF_ORDER)
    sentNo = no
    log.push(no)
    return stored
  }

  const intake = createIntake(
    {
      async validate({ no }) {
        const isRefused = rules[no % rules.length] === 'refused'
        const outcome = isRefused ? refusal(RefusalCode.UNKNOWN_RECIPIENT) : accepted
        return { id: 0, outcome, roster: undefined }
      },
      async append(send) {
        const is = fates[calls++ % fates.length]
        if (is === 'unsent') return { $case: 'unsent' }
        if (is === 'lost') return UNKNOWN
        if (is === 'late') {
          late.push(send)
          return UNKNOWN
        }
        const outcome = judge(send)
        return is === 'unknown' ? UNKNOWN : outcome
      },
      stored(no) {
        expect(open.shift()?.no).toBe(no)
        expect(log).toContain(no)
        told.set(no, 'stored')
        lastStored = no
      },
      rejected({ no }) {
        const first = open.shift()
        expect(first?.no).toBe(no)
        if (first?.isMoot) return
        expect(log).not.toContain(no)
        told.set(no, 'rejected')
        const behind = open.filter(({ isMoot }) => !isMoot).map((one) => one.no)
        open = open.map((one) => ({ ...one, isMoot: true }))
        send(behind)
      },
      end(why) {
        expect(why.code).toBe(RefusalCode.UNAVAILABLE)
        isEnded = true
        intake.close()
      },
      pause: () => undefined,
      resume: () => undefined,
    },
    {
      sentNo: 0,
      answerMs: 20_000,
      sendsMax: 64,
      sendBytesMax: 1_000_000,
      budget: createBudget({ countMax: 1_000, bytesMax: 1_000_000, answerMs: 2_000 }),
    },
  )

  function send(numbers: number[], prevNo = lastStored) {
    let prev = prevNo
    for (const no of numbers) {
      open.push({ no, isMoot: false })
      intake.accept(sendOf(no, prev))
      prev = no
    }
  }

  send(Array.from({ length: count }, (_, index) => index + 1))
  for (let round = 0; round < 400 && open.length > 0 && !isEnded; round++) {
    await vi.advanceTimersByTimeAsync(50)
    for (const append of late.splice(0, 1)) judge(append)
  }
  for (const append of late) judge(append)
  late = []
  intake.close()
  return { log, told, isEnded }
}

test('answers are true, and nothing is stored twice or out of order', async () => {
  const fates = fc.array(fate, { minLength: 1, maxLength: 12 }) as fc.Arbitrary<Fate[]>
  const rules = fc.array(rule, { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fates, rules, async (count, some, these) => {
      const { log, told, isEnded } = await history(count, some, these)
      expect(log).toEqual([...new Set(log)].sort((a, b) => a - b))
      for (const [no, what] of told) expect(log.includes(no)).toBe(what === 'stored')
      if (!isEnded && some.includes('ok')) expect(told.size).toBe(count)
    }),
    { numRuns: 500 },
  )
})
