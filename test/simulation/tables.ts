// The store's three tables, as one transaction sees them: what is committed, and on top of that what
// it has written itself. Writers of a mailbox hold its lock, so that what they write on top can take
// the place of what is there when they commit.

import type { DeviceAddress } from '@twotick/protocol'

export interface MailboxRow {
  readonly account_id: string
  readonly head_seq: number
  readonly floor_seq: number
  readonly bytes: number
  readonly d1: number | null
  readonly a1: number | null
  readonly d2: number | null
  readonly a2: number | null
  readonly d3: number | null
  readonly a3: number | null
  readonly d4: number | null
  readonly a4: number | null
  readonly d5: number | null
  readonly a5: number | null
}

export interface SenderRow {
  readonly account_id: string
  readonly device_id: number
  readonly session: number
  readonly sent_no: number
  readonly sent_tag: Uint8Array
}

export interface EntryRow {
  readonly account_id: string
  readonly seq: number
  readonly tag: Uint8Array
  readonly slots: number
  readonly expiresAtMs: number // Infinity: a notice
  readonly sealed: Uint8Array
}

export type Entries = Map<number, EntryRow>

export interface Tables {
  readonly mailboxes: Map<string, MailboxRow>
  readonly senders: Map<string, SenderRow>
  readonly entries: Map<string, Entries>
}

export function createTables(of?: Tables): Tables {
  return {
    mailboxes: new Map(of?.mailboxes),
    senders: new Map(of?.senders),
    entries: new Map(of?.entries), // each is replaced, never changed
  }
}

export function emptyMailbox(accountId: string): MailboxRow {
  const free = { d1: null, a1: null, d2: null, a2: null, d3: null, a3: null, d4: null, a4: null }
  const empty = { head_seq: 0, floor_seq: 0, bytes: 0, d5: null, a5: null }
  return { account_id: accountId, ...empty, ...free }
}

/** A mailbox and its senders, as registering and linking would have made them. */
export function putAccount(
  { mailboxes, senders }: Tables,
  devices: readonly DeviceAddress[],
): void {
  for (const [at, { accountId, deviceId }] of devices.entries()) {
    const before = mailboxes.get(accountId) ?? emptyMailbox(accountId)
    mailboxes.set(accountId, { ...before, [`d${at + 1}`]: deviceId, [`a${at + 1}`]: 0 })
    const numbers = { session: 0, sent_no: 0, sent_tag: Buffer.alloc(8) }
    const key = senderKey(accountId, deviceId)
    senders.set(key, { account_id: accountId, device_id: deviceId, ...numbers })
  }
}

/** A transaction's view. `null` is a row that it has deleted. */
export interface View {
  mailbox(accountId: string): MailboxRow | undefined
  mailboxes(): MailboxRow[]
  putMailbox(accountId: string, row: MailboxRow | null): void
  sender(key: string): SenderRow | undefined
  senders(accountId: string): SenderRow[]
  putSender(row: SenderRow): void
  /** Of all mailboxes. */
  everyEntry(): EntryRow[]
  /** In seq order. */
  entries(accountId: string): EntryRow[]
  /** To be changed. */
  ownEntries(accountId: string): Entries
  commit(): void
  forget(): void
}

const NONE: Entries = new Map()

export function senderKey(accountId: string, deviceId: number): string {
  return `${accountId}/${deviceId}`
}

export function createView(committed: () => Tables): View {
  const mailboxes = new Map<string, MailboxRow | null>()
  const senders = new Map<string, SenderRow>()
  const entries = new Map<string, Entries>()

  function mailbox(accountId: string): MailboxRow | undefined {
    const own = mailboxes.get(accountId)
    return own === undefined ? committed().mailboxes.get(accountId) : (own ?? undefined)
  }

  function forget(): void {
    mailboxes.clear()
    senders.clear()
    entries.clear()
  }

  return {
    mailbox,
    mailboxes() {
      const ids = new Set([...committed().mailboxes.keys(), ...mailboxes.keys()])
      return [...ids].sort().flatMap((accountId) => mailbox(accountId) ?? [])
    },
    putMailbox: (accountId, row) => void mailboxes.set(accountId, row),
    sender: (key) => senders.get(key) ?? committed().senders.get(key),
    senders(accountId) {
      const all = new Map([...committed().senders, ...senders])
      return [...all.values()].filter((row) => row.account_id === accountId)
    },
    putSender: (row) => void senders.set(senderKey(row.account_id, row.device_id), row),
    everyEntry() {
      const all = new Map([...committed().entries, ...entries])
      return [...all.values()].flatMap((rows) => [...rows.values()])
    },
    entries(accountId) {
      const rows = entries.get(accountId) ?? committed().entries.get(accountId) ?? NONE
      return [...rows.values()]
    },
    ownEntries(accountId) {
      const own = entries.get(accountId) ?? new Map(committed().entries.get(accountId))
      entries.set(accountId, own)
      return own
    },
    commit() {
      const tables = committed()
      for (const [accountId, row] of mailboxes) {
        if (row === null) tables.mailboxes.delete(accountId)
        else tables.mailboxes.set(accountId, row)
      }
      for (const [key, row] of senders) tables.senders.set(key, row)
      for (const [accountId, rows] of entries) tables.entries.set(accountId, rows)
      forget()
    },
    forget,
  }
}
