// What the statements of a batch do, on tables.ts: locks, reads and writes of append and ack, which the
// rarer commands use too. By name. They say in TypeScript what the store says in SQL: a change there
// wants its like here.

import { bigints, byteStrings, smallints, tids, timesMs, uuids } from './arrays.ts'
import {
  ctidOf,
  entryLock,
  isHeld,
  least,
  mailboxLock,
  opened,
  senderLock,
  shown,
  SLOTS,
} from './rows.ts'
import type { Statements } from './rows.ts'
import { type MailboxRow, senderKey, type SenderRow, type View } from './tables.ts'

const placed = <R extends MailboxRow | SenderRow>(row: R | undefined) =>
  row === undefined ? [] : [{ ...row, ctid: ctidOf(row) }]

function updateMailboxes(
  view: View,
  values: readonly unknown[],
  isThere: (row: MailboxRow, index: number) => boolean = () => true,
) {
  const [head, bytes] = [bigints(values[1]), bigints(values[2])]
  const slots = SLOTS.map((slot) => ({
    slot,
    devices: smallints(values[1 + 2 * slot]),
    acked: bigints(values[2 + 2 * slot]),
  }))
  uuids(values[0]).forEach((id, index) => {
    const before = view.mailbox(id)
    if (before === undefined || !isThere(before, index)) return
    const after: Record<string, unknown> = { ...before }
    after['head_seq'] = head[index]
    after['bytes'] = bytes[index]
    for (const { slot, devices, acked } of slots) {
      after[`d${slot}`] = devices[index] ?? null
      after[`a${slot}`] = acked[index] ?? null
    }
    view.putMailbox(id, after as unknown as MailboxRow)
  })
  return []
}

function updateSenders(
  view: View,
  values: readonly unknown[],
  isThere: (row: SenderRow, index: number) => boolean = () => true,
) {
  const [devices, sessions, nos] = [smallints(values[1]), bigints(values[2]), bigints(values[3])]
  const tags = byteStrings(values[4])
  uuids(values[0]).forEach((account_id, index) => {
    const device_id = devices[index] ?? 0
    const before = view.sender(senderKey(account_id, device_id))
    if (before === undefined || !isThere(before, index)) return
    const [session, sent_no] = [sessions[index] ?? 0, nos[index] ?? 0]
    view.putSender({ account_id, device_id, session, sent_no, sent_tag: tags[index]! })
  })
  return []
}

export const BATCH_STATEMENTS: Statements = {
  lock_mailboxes({ view, values, lock }) {
    const ids = uuids(values[0]).sort()
    if (!lock(ids.filter((id) => view.mailbox(id)).map(mailboxLock))) return undefined
    return ids.flatMap((id) => placed(view.mailbox(id)))
  },

  lock_senders({ view, values, lock }) {
    const deviceIds = smallints(values[1])
    const keys = uuids(values[0]).map((id, index) => senderKey(id, deviceIds[index] ?? 0))
    keys.sort()
    if (!lock(keys.map(senderLock))) return undefined
    return keys.flatMap((key) => placed(view.sender(key)))
  },

  clock: ({ nowMs }) => [{ now_ms: nowMs }],

  read_ranges({ view, values }) {
    const after = bigints(values[1])
    const last = bigints(values[2])
    return uuids(values[0]).flatMap((id, index) =>
      view
        .entries(id)
        .filter(({ seq }) => seq > (after[index] ?? 0) && seq <= (last[index] ?? 0))
        .map(shown),
    )
  },

  read_acked({ view, values }) {
    const [devices, seqs] = [smallints(values[1]), bigints(values[2])]
    const found = new Map<string, Record<string, unknown>>()
    uuids(values[0]).forEach((id, index) => {
      const mailbox = view.mailbox(id) as Record<string, unknown> | undefined
      const slot = SLOTS.find((each) => mailbox?.[`d${each}`] === devices[index])
      const [seq, from] = [seqs[index] ?? 0, mailbox?.[`a${slot}`]]
      if (mailbox === undefined || typeof from !== 'number') return
      if (seq > (mailbox['head_seq'] as number)) return
      for (const entry of view.entries(id)) {
        if (entry.seq > from && entry.seq <= seq) found.set(`${id} ${entry.seq}`, shown(entry))
      }
    })
    return [...found.values()]
  },

  read_seqs({ view, values }) {
    const seqs = bigints(values[1])
    const asked = uuids(values[0]).map((id, index) => `${id} ${seqs[index]}`)
    const ids = [...new Set(uuids(values[0]))].sort()
    return ids.flatMap((id) =>
      view
        .entries(id)
        .filter(({ seq }) => asked.includes(`${id} ${seq}`))
        .map(shown),
    )
  },

  open_rows({ view, values }) {
    const seqs = bigints(values[1])
    return uuids(values[0]).flatMap((id, index) =>
      view
        .entries(id)
        .filter(({ seq }) => seq === seqs[index])
        .map(opened),
    )
  },

  update_mailboxes: ({ view, values }) => updateMailboxes(view, values),

  update_placed_mailboxes({ view, values: [places, ...values] }) {
    const ctids = tids(places)
    return updateMailboxes(view, values, (row, index) => ctidOf(row) === ctids[index])
  },

  update_senders: ({ view, values }) => updateSenders(view, values),

  update_placed_senders({ view, values: [places, ...values] }) {
    const ctids = tids(places)
    return updateSenders(view, values, (row, index) => ctidOf(row) === ctids[index])
  },

  insert_entries({ view, values }) {
    const [seqs, tags, slots] = [bigints(values[1]), byteStrings(values[2]), smallints(values[3])]
    const [expires, sealed] = [timesMs(values[4]), byteStrings(values[5])]
    uuids(values[0]).forEach((account_id, index) => {
      const seq = seqs[index] ?? 0
      const rows = view.ownEntries(account_id)
      if (rows.has(seq)) throw new Error(`entry ${account_id} ${seq} is there already`)
      const [tag, expiresAtMs] = [tags[index]!, expires[index] ?? Infinity]
      const bits = slots[index] ?? 0
      rows.set(seq, { account_id, seq, tag, slots: bits, expiresAtMs, sealed: sealed[index]! })
    })
    return []
  },

  change_slots({ view, values, lock }) {
    const [seqs, slots] = [bigints(values[1]), smallints(values[2])]
    const ids = uuids(values[0])
    if (!lock(ids.map((id, index) => entryLock(id, seqs[index] ?? 0)))) return undefined
    ids.forEach((id, index) => {
      const rows = view.ownEntries(id)
      const row = rows.get(seqs[index] ?? 0)
      if (row) rows.set(row.seq, { ...row, slots: slots[index] ?? 0 })
    })
    return []
  },

  remove_entries({ view, values, lock }) {
    const seqs = bigints(values[1])
    const ids = uuids(values[0])
    if (!lock(ids.map((id, index) => entryLock(id, seqs[index] ?? 0)))) return undefined
    ids.forEach((id, index) => view.ownEntries(id).delete(seqs[index] ?? 0))
    return []
  },

  remove_placed_entries({ view, values, lock }) {
    const [ctids, seqs] = [tids(values[0]), bigints(values[1])]
    const rows = view.everyEntry().filter((row) => {
      const index = ctids.indexOf(ctidOf(row))
      return index !== -1 && seqs[index] === row.seq
    })
    if (!lock(rows.map((row) => entryLock(row.account_id, row.seq)))) return undefined
    for (const { account_id, seq } of rows) view.ownEntries(account_id).delete(seq)
    return []
  },

  raise_floors({ view, values }) {
    for (const id of uuids(values[0])) {
      const row = view.mailbox(id)
      if (row === undefined) continue
      const above = Math.max(row.floor_seq, least(row) ?? 0)
      const first = view.entries(id).find(({ seq }) => seq > above)
      const floor_seq = Math.max(row.floor_seq, first ? first.seq - 1 : row.head_seq)
      view.putMailbox(id, { ...row, floor_seq })
    }
    return []
  },

  count_entries({ view, values }) {
    const acked = bigints(values[1])
    return uuids(values[0]).map((account_id, index) => {
      const rows = view.entries(account_id).filter(({ seq }) => seq > (acked[index] ?? 0))
      const bytes = rows.reduce((sum, { sealed }) => sum + sealed.length, 0)
      return { account_id, entries: rows.length, bytes }
    })
  },

  delivered_entries({ view, values }) {
    const acked = bigints(values[1])
    const slots = SLOTS.map((slot) => bigints(values[1 + slot]))
    return uuids(values[0]).flatMap((account_id, index) => {
      const cursors = slots.map((bySlot) => bySlot[index] ?? null)
      return view
        .entries(account_id)
        .filter((row) => row.seq > (acked[index] ?? 0) && row.expiresAtMs !== Infinity)
        .filter((row) => row.slots === 0 || isHeld(row, cursors))
        .map(shown)
    })
  },
}
