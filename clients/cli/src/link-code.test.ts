import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLinkCode, showLinkCode } from './link-code.ts'

const publicKey = fc.uint8Array({ minLength: 32, maxLength: 32 })

test('a code gives the key back, however it is spaced or cased', () => {
  // Goal: what a person copies or types is what the new device meant.
  fc.assert(
    fc.property(publicKey, (key) => {
      const code = showLinkCode(key)
      expect(code).toMatch(/^([a-z0-9]{4}-){13}[a-z0-9]{4}$/)
      expect(readLinkCode(code)).toEqual(key)
      expect(readLinkCode(` ${code.toUpperCase().replaceAll('-', ' ')} `)).toEqual(key)
    }),
  )
})

test('one wrong character is found', () => {
  // Goal: a slip does not link a key that nobody has.
  fc.assert(
    fc.property(publicKey, fc.nat(68), fc.constantFrom(...'abcxyz789'), (key, at, character) => {
      const code = showLinkCode(key)
      const slip = code.slice(0, at) + character + code.slice(at + 1)
      fc.pre(code[at] !== '-' && slip !== code)
      expect(readLinkCode(slip)).toBeUndefined()
    }),
  )
})

test('what is no code is none', () => {
  // Goal: too short, a look-alike, a handle: no key.
  const code = showLinkCode(new Uint8Array(32))
  for (const text of ['', 'alice', code.slice(1), `${code}a`, code.replace('a', 'l')]) {
    expect(readLinkCode(text)).toBeUndefined()
  }
})
