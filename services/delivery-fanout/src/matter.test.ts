// Goal: an outline is the same message on the wire as what it outlines.

import { expect, test } from 'vitest'
import { GatewayEvent, GatewayEventOutline } from '@twotick/protocol/services'

const ALICE = { accountId: '00000000-0000-4000-8000-00000000000a', deviceId: 1 }

test('what is written as an outline reads as the whole event, and back', () => {
  const event: GatewayEvent = {
    epoch: 'e1',
    mailboxes: [
      { accountId: ALICE.accountId, headSeq: 7, entries: [], copies: [{ seq: 7, key: 9 }] },
    ],
    ticks: [{ sender: ALICE, recipientAccountId: ALICE.accountId, nos: [{ first: 1, last: 3 }] }],
    signals: [{ sender: ALICE, accountId: ALICE.accountId, ciphertext: new Uint8Array([1]) }],
    replaced: [],
    resync: true,
    contents: [{ key: 9, acceptedAtMs: 1, envelope: undefined }],
  }
  const bytes = GatewayEvent.encode(event).finish()
  const outline = GatewayEventOutline.decode(bytes)
  expect(Buffer.from(GatewayEventOutline.encode(outline).finish())).toEqual(Buffer.from(bytes))
  const { mailboxes, ticks, signals, contents } = outline
  expect([mailboxes, ticks, signals, contents].map(({ length }) => length)).toEqual([1, 1, 1, 1])
  expect([outline.epoch, outline.resync]).toEqual(['e1', true])
})
