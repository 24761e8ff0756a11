// What an application may ask to be sent. It is looked at before it is durable: what the relay takes
// for malformed ends the session, and a message that is durable would end every later one.

import { EnvelopeType, isAccountId, isConversationId } from '@twotick/protocol'
import type { SendOptions } from './outbox.ts'
import type { To } from './storage.ts'

const LIFETIME_S_MAX = 2 ** 32 - 1
const SIGNAL_BYTES_MAX = 1_024

/** Throws a TypeError or RangeError that says what is wrong. */
export function checkOutgoing({ to, body, type, lifetimeS }: SendOptions): void {
  checkRecipient(to)
  if (!(body instanceof Uint8Array)) {
    throw new TypeError('body is not a Uint8Array; of a text: new TextEncoder().encode(text)')
  }
  if (type !== undefined && !Object.values(EnvelopeType).includes(type)) {
    throw new RangeError(`type ${String(type)} is no EnvelopeType`)
  }
  if (lifetimeS === undefined) return
  if (!Number.isInteger(lifetimeS) || lifetimeS < 0 || lifetimeS > LIFETIME_S_MAX) {
    throw new RangeError(`lifetimeS is ${String(lifetimeS)}, which is no whole number of seconds`)
  }
}

function checkRecipient(to: To): void {
  if ('conversation' in to) {
    if (isConversationId(to.conversation)) return
    throw new TypeError(
      `to.conversation is "${String(to.conversation)}", which is no conversation's id`,
    )
  }
  checkAccountId(to.account, 'to.account')
}

/** Throws a TypeError or RangeError that says what is wrong. */
export function checkSignal(accountId: string, ciphertext: Uint8Array): void {
  checkAccountId(accountId, 'accountId')
  if (!(ciphertext instanceof Uint8Array)) throw new TypeError('ciphertext is not a Uint8Array')
  if (ciphertext.length > SIGNAL_BYTES_MAX) {
    throw new RangeError(`a signal has ${SIGNAL_BYTES_MAX} B at most`)
  }
}

function checkAccountId(accountId: string, name: string): void {
  if (isAccountId(accountId)) return
  throw new TypeError(
    `${name} is "${String(accountId)}", which is no account's id: lookUp finds it for a handle`,
  )
}
