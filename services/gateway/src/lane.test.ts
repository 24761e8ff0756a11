// Goal: what a send keeps in memory is about what is counted for it.

import { Buffer } from 'node:buffer'
import { Send, Up } from '@twotick/protocol'
import { expect, it } from 'vitest'
import { laneSend } from './lane.ts'

const ACCOUNT = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff'

function frameOf(ciphertext: Uint8Array): Uint8Array {
  const value: Send = {
    no: 1,
    prevNo: 0,
    tag: new Uint8Array(8).fill(7),
    to: { to: { $case: 'accountId', value: ACCOUNT } },
    rosterVersion: 3,
    type: 1,
    lifetimeS: 0,
    ciphertext,
    parts: [],
    trace: new Uint8Array(25).fill(9),
  }
  return Up.encode({ frame: { $case: 'send', value } }).finish()
}

function sendOf(frame: Uint8Array): Send {
  const up = Up.decode(frame).frame
  if (up?.$case !== 'send') throw new Error('no send')
  return up.value
}

it('does not keep what its frame has of unknown fields', () => {
  // Field 1000, 95 KiB.
  const unknown = Buffer.concat([Buffer.from([0xc2, 0x3e, 0x80, 0xf8, 0x05]), Buffer.alloc(97_280)])
  const sent = sendOf(Buffer.concat([frameOf(new Uint8Array([1])), unknown]))
  expect(sent.tag.buffer.byteLength).toBeGreaterThan(97_280)
  const { send, bytes } = laneSend(sent, 0)
  expect(Send.encode(send).finish()).toEqual(Send.encode(sent).finish())
  for (const kept of [send.tag, send.ciphertext]) {
    expect(kept.buffer.byteLength).toBeLessThanOrEqual(8_192)
  }
  expect(bytes).toBe(257)
})

it('keeps what was read with it where that is not much', () => {
  const sent = sendOf(frameOf(new Uint8Array(600)))
  expect(laneSend(sent, 0).send).toBe(sent)
})
