// What a workload asks of a broker. A mailbox is whatever keeps messages for somebody who is away; the
// second tick is a receipt that the recipient publishes to the sender, once it has acknowledged.

import type { Ticks } from '../sender.ts'

export const PEER_NAMES = ['jetstream', 'mosquitto'] as const
export type PeerName = (typeof PEER_NAMES)[number]

export interface Peer {
  /** Once, before anything else. */
  prepare(): Promise<void>
  /** What is published to `topic` from now on is kept for this recipient until it acknowledges. */
  mailbox(recipient: string, topic: string): Promise<void>
  /** Connects a recipient: it acknowledges each message at once, then says so to the sender. */
  receive(recipient: string, topic: string, onMessage: () => void): Promise<void>
  /** Connects a sender. */
  sender(name: string, ticks: () => Ticks): Promise<PeerLine>
  /** A connection that does nothing. */
  idle(name: string): Promise<void>
}

export interface PeerLine {
  put(topic: string, no: number, payload: Buffer): void
  close(): void
}

const NO_BYTES = 4

/** Messages begin with their number and their sender's name: what a receipt needs. */
export function payloadOf(bytes: number, no: number, sender: string): Buffer {
  const payload = Buffer.alloc(Math.max(bytes, NO_BYTES + 1 + sender.length))
  payload.writeUInt32BE(no)
  payload.writeUInt8(sender.length, NO_BYTES)
  payload.write(sender, NO_BYTES + 1, 'latin1')
  return payload
}

export function receiptOf(payload: Buffer): { readonly sender: string; readonly no: Buffer } {
  const start = NO_BYTES + 1
  const sender = payload.toString('latin1', start, start + (payload[NO_BYTES] ?? 0))
  return { sender, no: payload.subarray(0, NO_BYTES) }
}
