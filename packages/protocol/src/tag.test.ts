import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { FIRST_SENT_TAG, nextSentTag, TAG_BYTES } from './tag.ts'

test('the chain is of SHA-256, whatever was hashed before', () => {
  let chain = FIRST_SENT_TAG
  for (let step = 0; step < 5; step++) {
    const tag = new Uint8Array(TAG_BYTES).fill(step * 37)
    const whole = createHash('sha256').update(chain).update(tag).digest()
    const next = nextSentTag(chain, tag)
    expect(Buffer.from(next)).toEqual(whole.subarray(0, TAG_BYTES))
    chain = next
  }
})
