// What a write can come to, as it goes into its verdict. A refusal is a value: the transaction goes
// on, and nothing of what was refused is written.

import { RefusalCode } from '@twotick/protocol'
import type { Verdict } from '@twotick/protocol/services'

export type Outcome = NonNullable<Verdict['outcome']>

/** An outcome, and the epoch of the store that it is from. */
export interface Written {
  readonly epoch: string
  readonly outcome: Outcome
}

export function stored(acceptedAtMs: number): Outcome {
  return { $case: 'stored', value: { acceptedAtMs } }
}

export function acked(ackedSeq: number): Outcome {
  return { $case: 'acked', value: { ackedSeq } }
}

export function refusal(code: RefusalCode, detail: string, retryAfterMs = 0) {
  return { code, detail, retryAfterMs }
}

export function refused(code: RefusalCode, detail: string, retryAfterMs = 0): Outcome {
  return { $case: 'refusal', value: refusal(code, detail, retryAfterMs) }
}

export function unknown(retryAfterMs: number): Outcome {
  return { $case: 'unknown', value: { retryAfterMs } }
}

export const UNLINKED = refusal(RefusalCode.UNLINKED, 'the device has no cursor')
export const EPOCH_CHANGED = refusal(
  RefusalCode.EPOCH_CHANGED,
  'the store has another history than the request names',
)
