// What must be right about a device's frames before anything is done with them. What is wrong here
// is malformed and ends the session; what a rule forbids is a refusal, and not judged here.

import {
  type Ack,
  type Destination,
  isAccountId,
  isConversationId,
  parseAddress,
  type Ping,
  type Request,
  type Send,
  type SignalUp,
  type StatusQuery,
  TAG_BYTES,
} from '@twotick/protocol'
import type { UpFrame } from './socket.ts'

const FAILED_MAX = 256
const STATUS_ITEMS_MAX = 256
const SIGNAL_BYTES_MAX = 1_024

/** What is done with each kind of frame. */
export interface FrameHandlers {
  send(send: Send): void
  ack(ack: Ack): void
  statusQuery(query: StatusQuery): void
  signal(signal: SignalUp): void
  request(request: Request): void
  ping(ping: Ping): void
  malformed(detail: string): void
}

/** Hands each frame of an open session to who deals with it, if it is whole. */
export function createFrames(to: FrameHandlers): (frame: UpFrame) => void {
  return (frame) => {
    switch (frame.$case) {
      case 'send':
        return isWholeSend(frame.value) ? to.send(frame.value) : to.malformed('send')
      case 'ack':
        return isWholeAck(frame.value) ? to.ack(frame.value) : to.malformed('ack')
      case 'statusQuery':
        if (!isWholeStatusQuery(frame.value)) return to.malformed('status query')
        return to.statusQuery(frame.value)
      case 'signal':
        return isWholeSignal(frame.value) ? to.signal(frame.value) : to.malformed('signal')
      case 'request':
        return to.request(frame.value)
      case 'ping':
        return to.ping(frame.value)
      case 'pong':
        return
      default:
        to.malformed(`${frame.$case} after the handshake`)
    }
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
