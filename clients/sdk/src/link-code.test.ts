import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLinkCode, showLinkCode } from './link-code.ts'

const publicKey = fc.uint8Array({ minLength: 32, maxLength: 32 })

test('a code gives the key back, however it is spaced or cased', async () => {
  // Goal: what a person copies or types is what the new device meant.
  await fc.assert(
    fc.asyncProperty(publicKey, async (key) => {
      const code = await showLinkCode(key)
      expect(code).toMatch(/^([a-z0-9]{4}-){13}[a-z0-9]{4}$/)
      expect(await readLinkCode(code)).toEqual(key)
      expect(await readLinkCode(` ${code.toUpperCase().replaceAll('-', ' ')} `)).toEqual(key)
    }),
  )
})

test('one wrong character is found', async () => {
  // Goal: a slip does not link a key that nobody has.
  await fc.assert(
    fc.asyncProperty(
      publicKey,
      fc.nat(68),
      fc.constantFrom(...'abcxyz789'),
      async (key, at, character) => {
        const code = await showLinkCode(key)
        const slip = code.slice(0, at) + character + code.slice(at + 1)
        fc.pre(code[at] !== '-' && slip !== code)
        expect(await readLinkCode(slip)).toBeUndefined()
      },
    ),
  )
})

test('what is no code is none', async () => {
  // Goal: too short, a look-alike, a handle: no key.
  const code = await showLinkCode(new Uint8Array(32))
  for (const text of ['', 'alice', code.slice(1), `${code}a`, code.replace('a', 'l')]) {
    expect(await readLinkCode(text)).toBeUndefined()
  }
})

test('a part of a code, or one with something behind it, is none', async () => {
  // Goal: what was carried over by halves is said, not linked.
  await fc.assert(
    fc.asyncProperty(publicKey, fc.nat({ max: 68 }), async (key, length) => {
      const code = await showLinkCode(key)
      expect(await readLinkCode(code.slice(0, length))).toBeUndefined()
      expect(await readLinkCode(`${code}a`)).toBeUndefined()
    }),
  )
})
