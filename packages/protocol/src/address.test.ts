// Goal: what is remembered of ids is never another's.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AccountId, addressKey, isAccountId } from './address.ts'

// Few ends, so that many share a place.
const id = fc
  .tuple(fc.uuid(), fc.constantFrom('abcd', 'abce', 'bacd'))
  .map(([uuid, end]) => (uuid.slice(0, -4) + end) as AccountId)

test('a key is the account and the device', () => {
  const any = fc.string({ maxLength: 40 }) as fc.Arbitrary<AccountId>
  const deviceId = fc.integer({ min: 1, max: 3 })
  const address = fc.record({ accountId: fc.oneof(id, any), deviceId })
  fc.assert(
    fc.property(fc.array(address, { minLength: 1, maxLength: 20 }), (addresses) => {
      for (const one of [...addresses, ...addresses]) {
        expect(addressKey(one)).toBe(`${one.accountId}/${one.deviceId}`)
      }
    }),
  )
})

test('only a UUID in canonical form is an id, also once it is known', () => {
  const text = fc.oneof(
    id,
    id.map((one) => one.toUpperCase()),
    id.map((one) => `x${one.slice(1)}`),
    id.map((one) => `${one}\n`),
    fc.string({ maxLength: 4 }),
  )
  fc.assert(
    fc.property(fc.array(text, { maxLength: 20 }), (texts) => {
      for (const one of [...texts, ...texts]) {
        const isOne = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.exec(one)?.[0] === one
        expect(isAccountId(one)).toBe(isOne)
      }
    }),
  )
})
