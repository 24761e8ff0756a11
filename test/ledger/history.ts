// What the ledger judges: histories. Each device writes one, a file of JSON lines, as things happen
// to it; the run writes one more, of its phases and faults. A history only says what was seen from
// outside: what a device made durable, what came over its wire, what it sent.
//
// `t` is the machine's monotonic clock in milliseconds, the same in every process of a run. A line
// is written before what it announces may have an effect elsewhere (a send before it is durable, an
// ack before it leaves), or right after what it witnesses (kept, once the commit has returned): so
// a process may be killed at any moment, and its history still errs on no side. What falls in
// between, `found` makes up for: it lists what the storage held when the device was opened again.

/** `account/device` */
export type DeviceName = string

/** `account/device#number`: the sending device and its send number. */
export type MessageName = string

export type DeviceEvent = { readonly t: number } & (
  | { readonly at: 'opened'; readonly device: DeviceName; readonly role: string }
  /** What the storage held at the opening: messages without a handler yet, and ticks. */
  | {
      readonly at: 'found'
      readonly waiting: readonly (readonly [MessageName, string])[]
      readonly stored: readonly number[]
      readonly delivered: readonly (readonly [number, string])[]
      readonly closed: readonly (readonly [number, string])[]
    }
  /** About to be durable in the outbox. `id` is in the body; `to` are the recipient accounts. */
  | {
      readonly at: 'send'
      readonly no: number
      readonly id: string
      readonly to: readonly string[]
    }
  /** The message is sent once more, under another number: out of the order from now on. */
  | { readonly at: 'again'; readonly no: number }
  | { readonly at: 'stored'; readonly no: number }
  /** `isDefinite`: it is stored nowhere, and nothing sends it again. */
  | {
      readonly at: 'rejected'
      readonly no: number
      readonly code: string
      readonly isDefinite: boolean
    }
  | { readonly at: 'delivered'; readonly no: number; readonly account: string }
  | {
      readonly at: 'notice'
      readonly kind: string
      readonly device: number // of this account, that sent it
      readonly no: number
      readonly isClosing: boolean
      readonly accounts: readonly string[]
    }
  /** Durable on the device: from here on it has its effect. Message and the id in its body. */
  | { readonly at: 'kept'; readonly of: readonly (readonly [MessageName, string])[] }
  /** The application has it. */
  | { readonly at: 'received'; readonly of: MessageName }
  /** The store's history is another one: what came before may be missing. */
  | { readonly at: 'gap' }
  // --- on the wire
  | {
      readonly at: 'welcome'
      readonly session: number
      readonly epoch: string
      readonly ackedSeq: number
    }
  /** Entries in seq order from `firstSeq` on; '' is a notice. */
  | { readonly at: 'pushed'; readonly firstSeq: number; readonly of: readonly MessageName[] }
  | { readonly at: 'missed'; readonly firstSeq: number; readonly lastSeq: number }
  | { readonly at: 'ack'; readonly seq: number }
  /** A connection is gone, by the code of the relay's last word, `no word`, or `the device`. */
  | { readonly at: 'ended'; readonly by: string }
  /**
   * How long the device had sends without an answer and heard of none, or waited for a Welcome; only
   * long waits.
   */
  | { readonly at: 'waited'; readonly ms: number; readonly what: 'send' | 'welcome' }
  // --- what was done to the device, and how it ended
  /** A copy of its storage was made; and later it took the storage's place. */
  | { readonly at: 'copied' }
  | { readonly at: 'restored' }
  /** About to be unlinked, evicted or deleted with its account. */
  | { readonly at: 'leaving'; readonly device: DeviceName }
  /** It has stopped for good. */
  | { readonly at: 'stopped'; readonly reason: string }
  /** It is meant to be offline from now on. */
  | { readonly at: 'away' }
  /** The end of the run: it is there, connected, and has had its time to drain. */
  | { readonly at: 'present' }
)

export type Phase = 'quiet' | 'faults' | 'heal' | 'drain' | 'end'

export type RunEvent = { readonly t: number } & (
  | { readonly at: 'phase'; readonly phase: Phase }
  | {
      readonly at: 'fault'
      readonly number: number
      readonly name: string
    }
  /** From here until it ends nothing can be committed. */
  | { readonly at: 'standstill'; readonly number: number }
  | { readonly at: 'standstill-ends'; readonly number: number }
  | { readonly at: 'healed'; readonly number: number }
  /** Entries left in Postgres at the end, by account. */
  | { readonly at: 'rows'; readonly left: readonly (readonly [string, number])[] }
)

export interface Histories {
  readonly run: readonly RunEvent[]
  /** Each device's, in the order written. */
  readonly devices: readonly (readonly DeviceEvent[])[]
}

export function accountOf(device: DeviceName): string {
  return device.slice(0, device.indexOf('/'))
}

export function senderOf(message: MessageName): DeviceName {
  return message.slice(0, message.indexOf('#'))
}

export function numberOf(message: MessageName): number {
  return Number(message.slice(message.indexOf('#') + 1))
}

/** The events of a history's text. A last line without its end was cut by a kill: it is left out. */
export function parseHistory<E>(text: string): E[] {
  const lines = text.split('\n')
  lines.pop()
  return lines.map((line) => JSON.parse(line) as E)
}
