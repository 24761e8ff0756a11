// What a device keeps, and the small interface to wherever it is kept. One device owns a storage;
// nobody else writes it while that device is open. Everything that must hold together is one
// `commit`: all of it is durable when the promise resolves, or none.
//
// Values are what the structured clone algorithm takes (plain objects, numbers, strings,
// Uint8Array), so that IndexedDB can hold them as they are.

import type { Address, EnvelopeType, NoticeKind, Part, RefusalCode } from '@twotick/protocol'

/** Who this device is. The address is missing until registration or linking is through. */
export interface Identity {
  readonly publicKey: Uint8Array
  readonly privateKey: Uint8Array // PKCS #8
  readonly url?: string
  readonly address?: Address
  /** The storage turned out to be an old copy: it must not be used again. */
  readonly forked?: boolean
}

/** Where the device's sends stand (design: sending). */
export interface Sending {
  readonly epoch: string // '' before the first Welcome
  readonly lastNo: number // highest send number ever used
  readonly acceptedNo: number
  readonly acceptedTag: Uint8Array
}

/** Up to where the device has its mailbox, in the present epoch. */
export interface Receiving {
  readonly position: number
  readonly inboxNo: number // highest inbox number ever used
}

/** Where a message goes. */
export type To = { readonly account: string } | { readonly conversation: string }

/** One numbered send: of a message, or of a message again. */
export interface Attempt {
  readonly no: number
  readonly messageNo: number // the first number of the message that it carries
  readonly tag: Uint8Array
  readonly to: To
  readonly rosterVersion: number
  readonly type: EnvelopeType
  readonly lifetimeS: number
  readonly accounts: readonly string[] // the recipient accounts whose second tick it may bring
  readonly madeInEpoch: string // it was never sent before this one
  readonly storedInEpoch?: string // first tick
  readonly storedAtMs?: number
  /** The trace that it asks for, as it goes to the relay. */
  readonly trace?: Uint8Array
  /** What it was made for, where it is not the message's first. */
  readonly again?: Again
}

/** What an attempt repeats: of the wish that it was. */
type Again = Pick<Wish, 'accountId' | 'deviceIds' | 'rosterTries'>

/** The bytes of an attempt; kept until its first tick, and sent again unchanged. */
export interface Payload {
  readonly ciphertext: Uint8Array
  readonly parts: readonly Part[]
}

/** What became of a message for one recipient account. */
export type Reach =
  | { readonly at: 'waiting'; readonly attemptNo: number } // 0: a wish is still to become one
  | { readonly at: 'delivered' }
  | { readonly at: 'closed'; readonly kind: NoticeKind }
  | { readonly at: 'rejected'; readonly code: RefusalCode }

export interface Rejection {
  readonly code: RefusalCode
  readonly detail: string
  readonly retryAfterMs: number
  readonly maybeStored: boolean
}

/** A message as the application sent it, under the number of its first attempt. */
export interface OutgoingMessage {
  readonly no: number
  readonly to: To
  readonly type: EnvelopeType
  readonly lifetimeS: number
  readonly reach: Readonly<Record<string, Reach>>
  readonly attempts: readonly number[]
  readonly rosterTries: number
  readonly resentTo: readonly string[] // devices (address keys) that could not process it
  readonly traceId?: string // of the trace that was asked for
  readonly storedAtMs?: number
  readonly maybeStored?: boolean // an older epoch may hold an attempt that was rejected later
  readonly rejection?: Rejection
  readonly doneAtMs?: number
}

/** A message that is to be sent again, under a new number that it gets once it is encoded. */
export interface Wish {
  readonly key: string
  readonly messageNo: number
  readonly accountId: string // '': everybody whom the message was for
  readonly deviceIds: readonly number[] // empty: every device
  readonly notBeforeMs: number
  readonly rosterTries?: number // of a resend, which counts its own
}

/** A message in the inbox: durable, until a handler has had it. */
export interface Message {
  readonly sender: Address
  readonly no: number // with `sender` the message's name: the original's, if it was sent again
  readonly to: To
  readonly type: EnvelopeType
  readonly body: Uint8Array
  readonly acceptedAtMs: number // the relay's clock
}

/** The recipients of a destination, as the directory last said. */
export interface Roster {
  readonly version: number
  readonly members: readonly { readonly accountId: string; readonly dormant: boolean }[]
  readonly devices: readonly Address[] // of every recipient, the sender's other devices included
}

export interface Records {
  identity: Identity
  sending: Sending
  receiving: Receiving
  attempt: Attempt
  payload: Payload
  message: OutgoingMessage
  body: Uint8Array
  wish: Wish
  inbox: Message
  applied: number // when, Unix time in ms
  failed: { readonly seq: number }
  roster: Roster
}

export type Table = keyof Records

/** The key of what there is one of. */
export const SELF = 'self'

/** A number as a key: keys are ordered as text. */
export function numberKey(no: number): string {
  return String(no).padStart(16, '0')
}

/** Puts a value at a key, or with `undefined` removes what is there. */
export interface Change<T extends Table = Table> {
  readonly table: T
  readonly key: string
  readonly value: Records[T] | undefined
}

export interface Row<T extends Table> {
  readonly key: string
  readonly value: Records[T]
}

export interface Storage {
  read<T extends Table>(table: T, key: string): Promise<Records[T] | undefined>
  /** At most `limit` rows above a key (from the start: ''), in key order. */
  list<T extends Table>(table: T, afterKey: string, limit: number): Promise<Row<T>[]>
  /** Makes all changes durable, or none and throws. */
  commit(changes: readonly Change[]): Promise<void>
}

const PAGE_ROWS = 500

/** Reads a whole table, page by page. */
export async function listAll<T extends Table>(storage: Storage, table: T): Promise<Row<T>[]> {
  const all: Row<T>[] = []
  let page = await storage.list(table, '', PAGE_ROWS)
  while (page.length > 0) {
    all.push(...page)
    page = await storage.list(table, page.at(-1)?.key ?? '', PAGE_ROWS)
  }
  return all
}

/** A storage that ends with the process: for tests, and for devices that may be lost. */
export function memoryStorage(): Storage {
  const tables = new Map<Table, Map<string, unknown>>()
  const rowsOf = (table: Table) => {
    const rows = tables.get(table) ?? new Map<string, unknown>()
    tables.set(table, rows)
    return rows
  }
  return {
    read<T extends Table>(table: T, key: string) {
      return Promise.resolve(rowsOf(table).get(key) as Records[T] | undefined)
    },
    list<T extends Table>(table: T, afterKey: string, limit: number) {
      const keys = [...rowsOf(table).keys()].filter((key) => key > afterKey).sort()
      const page = keys.slice(0, limit)
      const value = (key: string) => rowsOf(table).get(key) as Records[T]
      return Promise.resolve(page.map((key) => ({ key, value: value(key) })))
    },
    commit(changes) {
      for (const { table, key, value } of changes) {
        if (value === undefined) rowsOf(table).delete(key)
        else rowsOf(table).set(key, structuredClone(value))
      }
      return Promise.resolve()
    },
  }
}
