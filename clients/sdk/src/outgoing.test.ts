// Goal: what the relay would take for malformed is refused before it is durable.

import { expect, it } from 'vitest'
import type { SendOptions } from './outbox.ts'
import { checkOutgoing, checkSignal } from './outgoing.ts'

const ACCOUNT = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff'
const whole: SendOptions = { to: { account: ACCOUNT }, body: new Uint8Array(3) }

it('takes what can be sent', () => {
  for (const more of [{}, { lifetimeS: 0 }, { lifetimeS: 60 }, { to: { conversation: ACCOUNT } }]) {
    expect(() => checkOutgoing({ ...whole, ...more })).not.toThrow()
  }
})

it.each<[string, object, RegExp]>([
  ['a handle', { to: { account: 'bob' } }, /to.account is "bob".*lookUp/],
  ['an id in upper case', { to: { account: ACCOUNT.toUpperCase() } }, /to.account/],
  ['an account as a conversation', { to: { conversation: 'friends' } }, /to.conversation/],
  ['a text', { body: 'hello' }, /TextEncoder/],
  ['a lifetime in the past', { lifetimeS: -1 }, /-1/],
  ['a part of a second', { lifetimeS: 1.5 }, /1.5/],
  ['a lifetime beyond 32 bits', { lifetimeS: 2 ** 32 }, /4294967296/],
  ['a type that is none', { type: 99 }, /99/],
])('refuses %s', (_, more, message) => {
  expect(() => checkOutgoing({ ...whole, ...more } as SendOptions)).toThrow(message)
})

it('refuses a signal to a handle, and one that is too large', () => {
  expect(() => checkSignal('bob', new Uint8Array(1))).toThrow('bob')
  expect(() => checkSignal(ACCOUNT, new Uint8Array(1_025))).toThrow('1024')
  expect(() => checkSignal(ACCOUNT, new Uint8Array(1_024))).not.toThrow()
})
