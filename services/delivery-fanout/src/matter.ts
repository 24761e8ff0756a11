// A matter is the smallest thing that is routed: one mailbox's doorbell, one tick or one signal. It
// says whom it concerns and is otherwise left as it came, encoded (event_outline.proto).

import {
  AppendedOutline,
  MailboxAppended,
  MailboxOutline,
  SharedContentOutline,
  SignalOutline,
  TickOutline,
  TicksDeliveredOutline,
  type TraceHops,
} from '@twotick/protocol/services'

export const APPENDED = 'mailbox.appended'
export const DELIVERED = 'mailbox.delivered'
export const SIGNAL = 'signal.sent'

/** An event to a gateway stays below this; NATS takes 1 MiB where it is not configured. */
export const EVENT_BYTES_MAX = 512 * 1024

/** The largest matter: the rest is room for its event's epoch. */
export const MATTERS_BYTES_MAX = EVENT_BYTES_MAX - 64

/** What a matter takes in an event besides its own bytes: a field's number and a length. */
export const FRAME_BYTES = 6

export interface Matter {
  readonly kind: 'mailbox' | 'tick' | 'signal'
  /** The store's epoch; empty for a signal, which does not come from the store. */
  readonly epoch: string
  readonly accountId: string
  /** The one device that it concerns; undefined: all of the account's. */
  readonly deviceId: number | undefined
  /** A MailboxAppended, Tick or SignalSent. */
  readonly encoded: Uint8Array
  /** What its event must have besides. */
  readonly contents: readonly Content[]
  /** Of traced envelopes: where they have come to. */
  readonly traces?: TraceHops | undefined
}

/** What several mailboxes share. Keys of one message differ; those of two may be the same. */
export interface Content {
  readonly key: number
  /** A SharedContent. */
  readonly encoded: Uint8Array
}

const NO_CONTENTS: readonly Content[] = []

/** The matters of one message. Throws if it cannot be decoded. */
export function readMatters(subject: string, data: Uint8Array): Matter[] {
  switch (subject) {
    case APPENDED:
      return readAppended(data)
    case DELIVERED:
      return readDelivered(data)
    case SIGNAL:
      return [readSignal(data)]
    default:
      throw new Error(`no such subject: ${subject}`)
  }
}

function readAppended(data: Uint8Array): Matter[] {
  const { epoch, mailboxes, contents } = AppendedOutline.decode(data)
  const shared = new Map(
    contents.map((encoded) => {
      const { key } = SharedContentOutline.decode(encoded)
      return [key, { key, encoded }] as const
    }),
  )
  return mailboxes.map((mailbox) => {
    const { accountId, headSeq, traces, copies } = MailboxOutline.decode(mailbox)
    const own = copies.flatMap(({ key }) => shared.get(key) ?? [])
    const about = { kind: 'mailbox', epoch, accountId, deviceId: undefined, traces } as const
    const bytes = mailbox.length + FRAME_BYTES + bytesOf(own)
    if (bytes <= MATTERS_BYTES_MAX) return { ...about, encoded: mailbox, contents: own }
    const rung = { accountId, headSeq, entries: [], copies: [] }
    return { ...about, encoded: MailboxAppended.encode(rung).finish(), contents: NO_CONTENTS }
  })
}

/** What contents take in an event. */
export function bytesOf(contents: readonly Content[]): number {
  return contents.reduce((sum, { encoded }) => sum + encoded.length + FRAME_BYTES, 0)
}

function readDelivered(data: Uint8Array): Matter[] {
  const { epoch, ticks } = TicksDeliveredOutline.decode(data)
  return ticks.flatMap((encoded) => {
    const { sender, traces } = TickOutline.decode(encoded)
    return sender === undefined
      ? []
      : [{ kind: 'tick', epoch, ...sender, encoded, contents: NO_CONTENTS, traces }]
  })
}

function readSignal(encoded: Uint8Array): Matter {
  const { accountId } = SignalOutline.decode(encoded)
  const about = { kind: 'signal', epoch: '', accountId, deviceId: undefined } as const
  return { ...about, encoded, contents: NO_CONTENTS }
}
