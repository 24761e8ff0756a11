// What a device tells its application, besides the messages in its inbox.

import type { Address, NoticeKind } from '@twotick/protocol'
import type { RejectedError, StoppedError } from './errors.ts'
import type { LinkEnd } from './connection.ts'
import type { Undelivered } from './promises.ts'
import type { Message } from './storage.ts'

export interface DeviceEvents {
  /** First tick: the message is durable at the relay, for every recipient. */
  stored: { readonly no: number; readonly acceptedAtMs: number }
  /** Second tick: a device of this recipient account has the message, durably. */
  delivered: { readonly no: number; readonly accountId: string }
  /** No second tick will come from this recipient account: nobody of it has the message. */
  undelivered: { readonly no: number } & Undelivered
  /** The message is stored nowhere (but see `maybeStored`), and not sent again by itself. */
  rejected: { readonly no: number; readonly error: RejectedError }
  /** What became of a message of this account, of any of its devices, for some recipients. */
  notice: {
    readonly kind: NoticeKind
    readonly sender: Address
    readonly no: number
    readonly closing: boolean
    readonly recipients: readonly { accountId: string; deviceIds: number[] }[]
  }
  /** A message has been handled. */
  message: Message
  /** The handler failed; it is called again. */
  'handler-failed': { readonly message: Message; readonly cause: unknown }
  /** An envelope cannot be processed on this device; its sender is told. */
  'not-processable': { readonly sender: Address; readonly no: number; readonly cause: unknown }
  /** Entries left the mailbox before this device had them; another device may have them. */
  missed: { readonly firstSeq: number; readonly lastSeq: number }
  /** The relay's history is another one now: what came before may have to be asked of siblings. */
  'new-epoch': { readonly epoch: string; readonly before: string }
  /** Everything that was there before this connection has been received. */
  drained: { readonly seq: number }
  connected: { readonly session: number; readonly epoch: string; readonly backlog: number }
  disconnected: LinkEnd
  signal: { readonly sender: Address; readonly ciphertext: Uint8Array }
  /** The device has stopped, for whatever reason; one of the next five may have come before. */
  stopped: StoppedError
  forked: StoppedError
  replaced: StoppedError
  unlinked: StoppedError
  unauthenticated: StoppedError
  'upgrade-required': StoppedError
}
