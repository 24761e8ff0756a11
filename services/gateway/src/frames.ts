// What must be right about a device's frames before anything is done with them. What is wrong here
// is malformed and ends the session; what a rule forbids is a refusal, and not judged here.

import {
  type Ack,
  type Destination,
  isAccountId,
  isConversationId,
  parseAddress,
  type Send,
  type SignalUp,
  type StatusQuery,
  TAG_BYTES,
} from '@twotick/protocol'
import type { UpFrame } from './socket.ts'

const FAILED_MAX = 256
const STATUS_ITEMS_MAX = 256
const SIGNAL_BYTES_MAX = 1_024

/** What is wrong with a frame of an open session; undefined: it is whole. */
export function faultOf(frame: UpFrame): string | undefined {
  switch (frame.$case) {
    case 'send':
      return isWholeSend(frame.value) ? undefined : 'send'
    case 'ack':
      return isWholeAck(frame.value) ? undefined : 'ack'
    case 'statusQuery':
      return isWholeStatusQuery(frame.value) ? undefined : 'status query'
    case 'signal':
      return isWholeSignal(frame.value) ? undefined : 'signal'
    case 'request':
    case 'ping':
    case 'pong':
      return undefined
    default:
      return `${frame.$case} after the handshake`
  }
}

function isWholeSend(send: Send): boolean {
  return (
    send.no >= 1 &&
    send.tag.length === TAG_BYTES &&
    isWholeDestination(send.to) &&
    (send.parts.length === 0 || send.ciphertext.length === 0) &&
    send.parts.every((part) => parseAddress(part.address) !== undefined)
  )
}

function isWholeAck({ failed }: Ack): boolean {
  return failed.length <= FAILED_MAX
}

function isWholeStatusQuery({ recipientAccountId, items }: StatusQuery): boolean {
  return (
    isAccountId(recipientAccountId) &&
    items.length <= STATUS_ITEMS_MAX &&
    items.every(({ no, tag }) => no >= 1 && tag.length === TAG_BYTES)
  )
}

function isWholeSignal({ accountId, ciphertext }: SignalUp): boolean {
  return isAccountId(accountId) && ciphertext.length <= SIGNAL_BYTES_MAX
}

function isWholeDestination(destination: Destination | undefined): boolean {
  const to = destination?.to
  if (to?.$case === 'accountId') return isAccountId(to.value)
  return to?.$case === 'conversationId' && isConversationId(to.value)
}
