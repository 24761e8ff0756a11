// A trace that a message asks for: the beginning of it, made here, so that its id is known before the
// relay has heard of it. Whether it is recorded is the operator's to say.

import { randomBytes } from './keys.ts'

const TRACE_ID_BYTES = 16
const SPAN_ID_BYTES = 8
const SAMPLED = 1

export interface Trace {
  /** As `Send.trace` carries it: W3C trace id, span id, flags. */
  readonly context: Uint8Array
  /** 32 hexadecimal characters. */
  readonly traceId: string
}

export function newTrace(): Trace {
  const context = new Uint8Array(TRACE_ID_BYTES + SPAN_ID_BYTES + 1)
  context.set(randomBytes(TRACE_ID_BYTES + SPAN_ID_BYTES))
  context[TRACE_ID_BYTES + SPAN_ID_BYTES] = SAMPLED
  const traceId = [...context.subarray(0, TRACE_ID_BYTES)]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  return { context, traceId }
}
