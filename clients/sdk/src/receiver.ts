// What comes down the mailbox: each entry in its order, each message once in effect (design:
// receiving). A turn makes the message, the names that it is known under and the position durable
// together; the ack goes out after that, and never beyond what this session was pushed.
//
// A gap between pushes, or a cursor above the own position, under the same epoch: the storage is an
// old copy ('forked').

import { addressKey, type Ack, type Entry, type Envelope, type Notice } from '@twotick/protocol'
import type { Address, Missed, Welcome } from '@twotick/protocol'
import type { Codec, Content } from './codec.ts'
import { numberKey, SELF, type Message, type Receiving, type To } from './storage.ts'
import type { Turn } from './turn.ts'

const FAILED_MAX = 256

export interface Failure {
  readonly seq: number
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
  const { own, codec } = options
  let { position, inboxNo } = options.receiving
  let failed = [...options.failed]
  let pushed = 0 // up to where this session has pushed
  let acked = 0 // up to where this session was acked

  function persist(turn: Turn): void {
    turn.put('receiving', SELF, { position, inboxNo })
  }

  function fail(turn: Turn, entry: { seq: number; envelope: Envelope; cause: unknown }): void {
    const { seq, envelope, cause } = entry
    failed.push(seq)
    turn.put('failed', numberKey(seq), { seq })
    const sender = envelope.sender ?? own
    turn.after(() => options.couldNotProcess({ seq, sender, no: envelope.no, cause }))
  }

  async function apply(turn: Turn, envelope: Envelope, at: Omit<Entry, 'content'>): Promise<void> {
    const { sender } = envelope
    const isNothing = envelope.ciphertext.length === 0
    if (!sender || isNothing || addressKey(sender) === addressKey(own)) return
    const name = nameOf(sender, envelope.no)
    if ((await turn.read('applied', name)) !== undefined) return
    const content = await decode(codec, envelope, own)
    if (content instanceof Error) {
      fail(turn, { seq: at.seq, envelope, cause: content })
      return
    }
    const message = toMessage(envelope, sender, { ...content, acceptedAtMs: at.acceptedAtMs })
    const originalName = nameOf(message.sender, message.no)
    const isRepeated = (await turn.read('applied', originalName)) !== undefined
    turn.put('applied', name, options.now())
    turn.put('applied', originalName, options.now())
    if (isRepeated) return
    inboxNo += 1
    const key = numberKey(inboxNo)
    turn.put('inbox', key, message)
    turn.after(() => options.arrived(key, message))
  }

  /** Whether the range follows what was pushed before it. */
  function follows(firstSeq: number, lastSeq: number): boolean {
    if (firstSeq !== pushed + 1 || lastSeq < firstSeq) return false
    pushed = lastSeq
    return true
  }

  return {
    position: () => position,

    welcome(turn: Turn, stand: Welcome, sameEpoch: boolean): 'forked' | undefined {
      const { ackedSeq } = stand
      if (sameEpoch && ackedSeq > position) return 'forked'
      if (!sameEpoch) position = ackedSeq
      const isPast = (seq: number) => !sameEpoch || seq <= ackedSeq
      for (const seq of failed.filter(isPast)) turn.put('failed', numberKey(seq), undefined)
      failed = failed.filter((seq) => !isPast(seq))
      pushed = ackedSeq
      acked = ackedSeq
      persist(turn)
      return undefined
    },

    async deliver(turn: Turn, entries: readonly Entry[]): Promise<'forked' | undefined> {
      for (const entry of entries) {
        if (!follows(entry.seq, entry.seq)) return 'forked'
        if (entry.seq <= position) continue
        position = entry.seq
        if (entry.content?.$case === 'envelope') await apply(turn, entry.content.value, entry)
        if (entry.content?.$case === 'notice') options.noticed(turn, entry.content.value)
      }
      persist(turn)
      return undefined
    },

    missed(turn: Turn, { firstSeq, lastSeq }: Missed): 'forked' | undefined {
      if (!follows(firstSeq, lastSeq)) return 'forked'
      position = Math.max(position, lastSeq)
      persist(turn)
      return undefined
    },

    /** What is to be acked now, of what is durable. */
    takeAck(): Ack | undefined {
      if (pushed <= acked) return undefined
      acked = pushed
      // Older ones were named by the acks before this one on the same connection.
      return { seq: pushed, failed: failed.filter((seq) => seq <= pushed).slice(-FAILED_MAX) }
    },
  }
}

/** The name of a message: its sending device and send number. */
function nameOf(sender: Address, no: number): string {
  return `${addressKey(sender)} ${no}`
}

/** Anyone may name an original of its own account; devices of one account trust each other. */
async function decode(codec: Codec, envelope: Envelope, own: Address): Promise<Content | Error> {
  try {
    const content = await codec.decode(envelope)
    const named = content.original?.accountId
    const sender = envelope.sender?.accountId
    if (named === undefined || named === sender || sender === own.accountId) return content
    return new Error('names an original of another account')
  } catch (error) {
    return error instanceof Error ? error : new Error('cannot be processed', { cause: error })
  }
}

function toMessage(
  envelope: Envelope,
  sender: Address,
  content: Content & { readonly acceptedAtMs: number },
): Message {
  const { original, body, acceptedAtMs } = content
  const { type, to } = envelope
  const base = { type, body, acceptedAtMs }
  if (!original) return { ...base, sender, no: envelope.no, to: fromDestination(to) }
  return {
    ...base,
    sender: { accountId: original.accountId ?? sender.accountId, deviceId: original.deviceId },
    no: original.no,
    to: original.conversation ? { conversation: original.conversation } : fromDestination(to),
  }
}

function fromDestination(to: Envelope['to']): To {
  const { $case, value } = to?.to ?? { $case: 'accountId', value: '' }
  return $case === 'accountId' ? { account: value } : { conversation: value }
}
