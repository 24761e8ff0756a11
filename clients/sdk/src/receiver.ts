// What comes down the mailbox: each entry in its order, each message once in effect (design:
// receiving). A turn makes the message, the names that it is known under and the position durable
// together; the ack goes out after that, and never beyond what this session was pushed.
//
// A push beyond the next one of the own position, or a cursor above it, under the same epoch: the
// storage is an old copy ('forked').

import type { Ack, Address, Entry, Envelope, Missed, Notice, Welcome } from '@twotick/protocol'
import { applyEnvelope } from './apply.ts'
import type { Codec } from './codec.ts'
import { numberKey, SELF, type Message, type Receiving } from './storage.ts'
import type { Turn } from './turn.ts'

const FAILED_MAX = 256

export interface Failure {
  readonly sender: Address
  readonly no: number
  readonly cause: unknown
}

interface ReceiverOptions {
  readonly own: Address
  readonly codec: Codec
  readonly receiving: Receiving
  readonly failed: readonly number[]
  readonly now: () => number
  /** A message is durable in the inbox under this key. */
  readonly arrived: (key: string, message: Message) => void
  readonly noticed: (turn: Turn, notice: Notice) => void
  readonly couldNotProcess: (failure: Failure) => void
}

export type Receiver = ReturnType<typeof createReceiver>

export function createReceiver(options: ReceiverOptions) {
  let { position, inboxNo } = options.receiving
  let failed = [...options.failed]
  let pushed = 0 // up to where this session has pushed
  let acked = 0 // up to where this session was acked

  async function receive(turn: Turn, envelope: Envelope, entry: Entry): Promise<void> {
    const { seq } = entry
    const applied = await applyEnvelope(turn, envelope, entry, options)
    if (applied.as === 'message') {
      inboxNo += 1
      const key = numberKey(inboxNo)
      turn.put('inbox', key, applied.message)
      turn.after(() => options.arrived(key, applied.message))
    } else if (applied.as === 'failure') {
      failed.push(seq)
      turn.put('failed', numberKey(seq), { seq })
      turn.after(() => options.couldNotProcess({ ...applied, no: envelope.no }))
    }
  }

  /**
   * Whether the range follows what was pushed before it. A range that is here already may be left
   * out: the last session's ack may reach the store after this one's Welcome.
   */
  function follows(firstSeq: number, lastSeq: number): boolean {
    const isBehind = firstSeq > pushed && firstSeq <= position + 1
    if (!isBehind || lastSeq < firstSeq) return false
    pushed = lastSeq
    return true
  }

  /** Moves on to a new session, with what is to be forgotten from before. */
  function welcome(turn: Turn, { ackedSeq }: Welcome, sameEpoch: boolean): 'forked' | undefined {
    if (sameEpoch && ackedSeq > position) return 'forked'
    if (!sameEpoch) position = ackedSeq
    const isPast = (seq: number) => !sameEpoch || seq <= ackedSeq
    for (const seq of failed.filter(isPast)) turn.put('failed', numberKey(seq), undefined)
    failed = failed.filter((seq) => !isPast(seq))
    pushed = ackedSeq
    acked = ackedSeq
    turn.put('receiving', SELF, { position, inboxNo })
    return undefined
  }

  async function deliver(turn: Turn, entries: readonly Entry[]): Promise<'forked' | undefined> {
    for (const entry of entries) {
      if (!follows(entry.seq, entry.seq)) return 'forked'
      if (entry.seq <= position) continue
      position = entry.seq
      if (entry.content?.$case === 'envelope') await receive(turn, entry.content.value, entry)
      if (entry.content?.$case === 'notice') options.noticed(turn, entry.content.value)
    }
    turn.put('receiving', SELF, { position, inboxNo })
    return undefined
  }

  function missed(turn: Turn, { firstSeq, lastSeq }: Missed): 'forked' | undefined {
    if (!follows(firstSeq, lastSeq)) return 'forked'
    position = Math.max(position, lastSeq)
    turn.put('receiving', SELF, { position, inboxNo })
    return undefined
  }

  /** What is to be acked now, of what is durable. */
  function takeAck(): Ack | undefined {
    if (pushed <= acked) return undefined
    acked = pushed
    // Older ones were named by the acks before this one on the same connection.
    return { seq: pushed, failed: failed.slice(-FAILED_MAX) }
  }

  return { position: () => position, welcome, deliver, missed, takeAck }
}
