// A matter is the smallest thing that is routed: one mailbox's doorbell, one tick or one signal. It
// keeps whom it concerns, and itself as an encoded GatewayEvent with nothing else in it. Encoded
// messages that are put one behind the other decode as one message with all their repeated fields,
// so a matter is encoded once, for however many gateways.

import {
  Appended,
  GatewayEvent,
  type MailboxAppended,
  SignalSent,
  TicksDelivered,
} from '@twotick/protocol/services'

export const APPENDED = 'mailbox.appended'
export const DELIVERED = 'mailbox.delivered'
export const SIGNAL = 'signal.sent'

/** An event to a gateway stays below this; NATS takes 1 MiB where it is not configured. */
export const EVENT_BYTES_MAX = 512 * 1024

/** All parts of one event: the rest is room for the epoch. */
export const PARTS_BYTES_MAX = EVENT_BYTES_MAX - 64

export interface Matter {
  /** The store's epoch; empty for a signal, which does not come from the store. */
  readonly epoch: string
  readonly accountId: string
  /** The one device that it concerns; undefined: all of the account's. */
  readonly deviceId: number | undefined
  readonly part: Uint8Array
}

/** The matters of one message. Throws if it cannot be decoded. */
export function readMatters(subject: string, data: Uint8Array): Matter[] {
  switch (subject) {
    case APPENDED:
      return readAppended(Appended.decode(data))
    case DELIVERED:
      return readDelivered(TicksDelivered.decode(data))
    case SIGNAL:
      return [readSignal(SignalSent.decode(data))]
    default:
      throw new Error(`no such subject: ${subject}`)
  }
}

/** A GatewayEvent with only these fields, encoded. */
export function encodeEvent(fields: Partial<GatewayEvent>): Uint8Array {
  const none = { epoch: '', mailboxes: [], ticks: [], signals: [], replaced: [], resync: false }
  return GatewayEvent.encode({ ...none, ...fields }).finish()
}

function readAppended({ epoch, mailboxes }: Appended): Matter[] {
  return mailboxes.map((mailbox) => ({
    epoch,
    accountId: mailbox.accountId,
    deviceId: undefined,
    part: encodeMailbox(mailbox),
  }))
}

/** A mailbox whose entries are too many bytes for one event is only rung. */
function encodeMailbox(mailbox: MailboxAppended): Uint8Array {
  const part = encodeEvent({ mailboxes: [mailbox] })
  if (part.length <= PARTS_BYTES_MAX) return part
  return encodeEvent({ mailboxes: [{ ...mailbox, entries: [] }] })
}

function readDelivered({ epoch, ticks }: TicksDelivered): Matter[] {
  return ticks.flatMap((tick) => {
    if (tick.sender === undefined) return []
    const { accountId, deviceId } = tick.sender
    return [{ epoch, accountId, deviceId, part: encodeEvent({ ticks: [tick] }) }]
  })
}

function readSignal(signal: SignalSent): Matter {
  return {
    epoch: '',
    accountId: signal.accountId,
    deviceId: undefined,
    part: encodeEvent({ signals: [signal] }),
  }
}
