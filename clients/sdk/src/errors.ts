// The errors that an application meets. A refusal is what the relay said; a stop is the end of this
// device as it is open now; a protocol violation is the other side's bug, and ends a connection.

import { RefusalCode } from '@twotick/protocol'
import type { Rejection } from './storage.ts'

/** The code's name, as docs/refusals.md lists it. */
export function refusalName(code: RefusalCode): string {
  const found = Object.entries(RefusalCode).find(([, value]) => value === code)
  return found?.[0] ?? `code ${code}`
}

/** What the relay refused, by its stable code. */
export class RefusedError extends Error {
  readonly code: RefusalCode
  readonly detail: string
  /** How long to wait before trying again; 0: trying again will not help by itself. */
  readonly retryAfterMs: number

  constructor(refusal: { code: RefusalCode; detail: string; retryAfterMs: number }) {
    super(`${refusalName(refusal.code)}${refusal.detail ? `: ${refusal.detail}` : ''}`)
    this.name = 'RefusedError'
    this.code = refusal.code
    this.detail = refusal.detail
    this.retryAfterMs = refusal.retryAfterMs
  }
}

/** A send was rejected. With `maybeStored` an older history of the store may hold it all the same. */
export class RejectedError extends RefusedError {
  readonly no: number
  readonly maybeStored: boolean

  constructor(no: number, rejection: Rejection) {
    super(rejection)
    this.name = 'RejectedError'
    this.no = no
    this.maybeStored = rejection.maybeStored
  }
}

/**
 * Why a device does not connect any more:
 * `closed` by the application; `replaced` by a newer session of itself; `unlinked` from its account;
 * `unauthenticated`: the relay does not know its address with its key (or not under this URL);
 * `upgrade-required`: the relay does not take this client version;
 * `forked`: its storage is an old copy, and it must register (or be linked) anew;
 * `storage-failed`: a local transaction failed, and what is in memory can no longer be trusted.
 */
export type StopReason =
  | 'closed'
  | 'replaced'
  | 'unlinked'
  | 'unauthenticated'
  | 'upgrade-required'
  | 'forked'
  | 'storage-failed'

/** The device has stopped; nothing further will happen until it is opened again. */
export class StoppedError extends Error {
  readonly reason: StopReason

  constructor(reason: StopReason, detail = '', cause?: unknown) {
    super(`the device has stopped (${reason})${detail ? `: ${detail}` : ''}`, { cause })
    this.name = 'StoppedError'
    this.reason = reason
  }
}

/** No connection, or no answer, within the time given. */
export class OfflineError extends Error {
  constructor(what: string) {
    super(`${what}: no answer from the relay`)
    this.name = 'OfflineError'
  }
}

/** The other side broke the protocol. Ends the connection; the next one starts from Welcome. */
export class ProtocolError extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'ProtocolError'
  }
}
