// Goal: each type's bounds and each version rule, at the bound and one beyond it.

import { EnvelopeType, RefusalCode } from '@twotick/protocol'
import { describe, expect, test } from 'vitest'
import { createVersionJudge, judgeShape, judgeVersion, type VersionPolicy } from './policy.ts'

const DAY_S = 86_400
const message = { type: EnvelopeType.MESSAGE, bytes: 1, lifetimeS: 0, isSignal: false }

describe('shape', () => {
  test.each([
    [EnvelopeType.MESSAGE, 65_536, 30 * DAY_S],
    [EnvelopeType.KEYS, 65_536, 30 * DAY_S],
    [EnvelopeType.RECEIPT, 4_096, 30 * DAY_S],
    [EnvelopeType.CALL, 16_384, 60],
  ])('goal: type %i has at most %i B and %i s', (type, bytes, lifetimeS) => {
    expect(judgeShape({ type, bytes, lifetimeS, isSignal: false })).toEqual({ lifetimeS })
    expect(judgeShape({ type, bytes, lifetimeS: 0, isSignal: false })).toEqual({ lifetimeS })
    expect(judgeShape({ type, bytes: bytes + 1, lifetimeS, isSignal: false })).toMatchObject({
      refusal: { code: RefusalCode.TOO_LARGE },
    })
    expect(judgeShape({ type, bytes, lifetimeS: lifetimeS + 1, isSignal: false })).toMatchObject({
      refusal: { code: RefusalCode.LIFETIME_OUT_OF_BOUNDS },
    })
  })

  test.each([EnvelopeType.ENVELOPE_TYPE_UNSPECIFIED, 99 as EnvelopeType])(
    'goal: type %i is unknown',
    (type) => {
      expect(judgeShape({ ...message, type })).toMatchObject({
        refusal: { code: RefusalCode.UNKNOWN_TYPE },
      })
    },
  )

  test('goal: of a signal only the size counts', () => {
    const signal = { type: 99 as EnvelopeType, bytes: 1_024, lifetimeS: DAY_S * 99, isSignal: true }
    expect(judgeShape(signal)).toEqual({ lifetimeS: 0 })
    expect(judgeShape({ ...signal, bytes: 1_025 })).toMatchObject({
      refusal: { code: RefusalCode.TOO_LARGE },
    })
  })
})

describe('client versions', () => {
  const policy: VersionPolicy = {
    enforced: { minimum: [1, 2], blocked: [[1, 3, 1]] },
    pending: { minimum: [2], blocked: [[2, 5]] },
  }

  test.each(['1.1.9', '1.3.1', '', 'one'])('goal: %j is refused', (version) => {
    expect(judgeVersion(policy, version)).toMatchObject({
      refusal: { code: RefusalCode.UPGRADE_REQUIRED },
    })
  })

  test.each([
    ['1.2', true],
    ['1.3.2', true],
    ['2.5.0', true],
    ['2', false],
    ['2.5.1', false],
  ])('goal: %s is accepted; the dry run would refuse it: %s', (version, isPendingRefusal) => {
    expect(judgeVersion(policy, version)).toEqual({ isPendingRefusal })
  })

  test('goal: what is remembered of a version is its own', () => {
    const judge = createVersionJudge(policy)
    for (const version of ['1.2', '1.1.9', '2', '1.2', 'one', '1.1.9', '2']) {
      expect(judge(version)).toEqual(judgeVersion(policy, version))
    }
  })
})
