// Goal: a device's wish for a trace counts only with the operator's grant and within the rate; what is
// not granted is gone from the send, so that nobody behind the gateway takes it for a trace.

import { type Send } from '@twotick/protocol'
import { expect, it } from 'vitest'
import { createSendTraces } from './send-traces.ts'

const CONTEXT = new Uint8Array(25).fill(1)

function sendAskingFor(trace: Uint8Array): Send {
  const to = { to: { $case: 'accountId', value: 'b' } } as const
  const empty = {
    prevNo: 0,
    tag: new Uint8Array(8),
    rosterVersion: 0,
    type: 1,
    lifetimeS: 0,
  } as const
  return { ...empty, no: 1, to, ciphertext: new Uint8Array(), parts: [], trace }
}

function traceAfter(
  accountId: string,
  granted: string[],
  asked = CONTEXT,
): (count: number) => boolean {
  const rules = { ratio: 0, accountIds: new Set(granted), perMinuteMax: 2 }
  const traces = createSendTraces(rules)()
  return (count) => {
    let send = sendAskingFor(asked)
    for (let index = 0; index < count; index++) {
      send = sendAskingFor(asked)
      traces.begin(send, accountId)
    }
    return send.trace !== undefined
  }
}

it('counts for an account that is named, and for all with *', () => {
  expect(traceAfter('a', ['a'])(1)).toBe(true)
  expect(traceAfter('a', ['*'])(1)).toBe(true)
})

it('is dropped without a grant, beyond the rate, and where it is no context', () => {
  expect(traceAfter('a', ['c'])(1)).toBe(false)
  expect(traceAfter('a', ['a'])(3)).toBe(false)
  expect(traceAfter('a', ['a'], new Uint8Array(7))(1)).toBe(false)
})
