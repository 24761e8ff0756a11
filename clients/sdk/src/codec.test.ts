import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EnvelopeType, type Envelope } from '@twotick/protocol'
import { plainCodec, type Content } from './codec.ts'

async function decode(ciphertext: Uint8Array): Promise<Content> {
  const sender = { accountId: 'a', deviceId: 1 }
  const envelope: Envelope = {
    sender,
    no: 1,
    to: undefined,
    type: EnvelopeType.MESSAGE,
    ciphertext,
  }
  return plainCodec.decode(envelope)
}

test('what is encoded comes out again, with the original that it names', async () => {
  // Goal: a round trip of any body.
  const original = fc.record({ deviceId: fc.nat(), no: fc.nat() })
  const content = fc.oneof(
    fc.record({ body: fc.uint8Array() }),
    fc.record({ body: fc.uint8Array(), original }),
  )
  await fc.assert(
    fc.asyncProperty(content, async (given) => {
      const encoded = await plainCodec.encode(given, [])
      if (!('ciphertext' in encoded)) throw new Error('parts')
      expect(await decode(encoded.ciphertext)).toEqual(given)
    }),
  )
})

test('anything else is refused, whatever it is', async () => {
  // Goal: a failure for this device, never a crash or a wrong message.
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
      fc.pre(bytes[0] !== 1)
      await expect(decode(bytes)).rejects.toThrow()
    }),
  )
  await expect(decode(Uint8Array.of(1, 0, 9, 123))).rejects.toThrow()
  expect(plainCodec.encrypts).toBe(false)
})
