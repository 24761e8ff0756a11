// What the store's other statements do, on tables.ts: by name, or by how they begin.

import { byteStrings, smallints, uuids } from './arrays.ts'
import { BATCH_STATEMENTS } from './batch-statements.ts'
import {
  ackedOf,
  cursorsOf,
  entryLock,
  isHeld,
  least,
  num,
  opened,
  senderLock,
  str,
} from './rows.ts'
import { mailboxLock, SLOTS, type Statement, type Statements } from './rows.ts'
import { emptyMailbox, senderKey } from './tables.ts'

const NAMED: Statements = {
  open_session({ view, values, lock }) {
    const key = senderKey(str(values[0]), num(values[1]))
    if (!lock([senderLock(key)])) return undefined
    const row = view.sender(key)
    if (row === undefined || row.session !== num(values[2])) return []
    view.putSender({ ...row, session: row.session + 1 })
    return [{ ...row, session: row.session + 1 }]
  },

  newest_session({ view, values }) {
    return [view.sender(senderKey(str(values[0]), num(values[1]))) ?? []].flat()
  },

  read_mailbox: ({ view, values }) => [view.mailbox(str(values[0])) ?? []].flat(),

  fetch({ view, values }) {
    const [accountId, deviceId] = [str(values[0]), num(values[1])]
    const [afterSeq, entriesMax, bytesMax] = [num(values[2]), num(values[3]), num(values[4])]
    const mailbox = view.mailbox(accountId)
    if (mailbox === undefined) return []
    const acked_seq = ackedOf(mailbox, deviceId)
    const above = Math.max(afterSeq, acked_seq ?? 0)
    const rows = view
      .entries(accountId)
      .filter(({ seq }) => seq > above)
      .slice(0, entriesMax + 1)
    let summed = 0
    const within = rows.filter((row, index) => {
      summed += row.sealed.length
      return index === 0 || summed <= bytesMax
    })
    if (within.length === 0) return [{ ...mailbox, acked_seq, seq: null, found: 0 }]
    return within.map(({ seq, tag, sealed, expiresAtMs }) => {
      const expires_at_ms = expiresAtMs === Infinity ? null : expiresAtMs
      return { ...mailbox, acked_seq, seq, tag, sealed, expires_at_ms, found: rows.length }
    })
  },

  heads({ view, values }) {
    const deviceIds = smallints(values[1])
    return uuids(values[0]).flatMap((account_id, index) => {
      const device_id = deviceIds[index] ?? 0
      const mailbox = view.mailbox(account_id)
      const sender = view.sender(senderKey(account_id, device_id))
      if (!mailbox || !sender) return []
      const { head_seq } = mailbox
      const acked_seq = ackedOf(mailbox, device_id)
      return [{ account_id, device_id, head_seq, acked_seq, session: sender.session }]
    })
  },

  sent_no({ view, values }) {
    return [view.sender(senderKey(str(values[0]), num(values[1]))) ?? []].flat()
  },

  waiting({ view, values }) {
    const mailbox = view.mailbox(str(values[0]))
    if (mailbox === undefined) return []
    const tags = byteStrings(values[1]).map((tag) => tag.toString('hex'))
    const after = least(mailbox) ?? Infinity
    return view
      .entries(mailbox.account_id)
      .filter((row) => row.seq > after && tags.includes(Buffer.from(row.tag).toString('hex')))
      .filter((row) => row.slots !== 0 && !isHeld(row, cursorsOf(mailbox)))
      .map(({ tag }) => ({ tag: Buffer.from(tag) }))
  },

  head({ view, values }) {
    const mailbox = view.mailbox(str(values[0]))
    return mailbox && ackedOf(mailbox, values[1]) !== null ? [mailbox] : []
  },

  expire_page({ view, values }) {
    const after = view.mailboxes().filter(({ account_id }) => account_id > str(values[0]))
    return after.slice(0, num(values[1]))
  },

  expired({ view, values, nowMs }) {
    const page = view.mailboxes().filter(({ account_id }) => account_id > str(values[0]))
    const found = page.slice(0, num(values[1])).flatMap((mailbox) => {
      const after = Math.max(mailbox.floor_seq, least(mailbox) ?? 0)
      return view
        .entries(mailbox.account_id)
        .filter((row) => row.seq > after && row.expiresAtMs <= nowMs)
        .map((row) => {
          const isDelivered = row.slots === 0 || isHeld(row, cursorsOf(mailbox))
          return { ...opened(row), sealed: isDelivered ? null : row.sealed }
        })
    })
    return found.slice(0, num(values[2]))
  },

  entries_of_slot({ view, values }) {
    const [bit, acked, after, others] = values.slice(1, 5).map(num)
    return view
      .entries(str(values[0]))
      .filter((row) => row.seq > after! && row.expiresAtMs !== Infinity)
      .filter((row) => row.slots & bit! || row.seq <= others!)
      .slice(0, num(values[5]))
      .map((row) => ({
        ...opened(row),
        sealed: row.slots & bit! && row.seq > acked! ? row.sealed : null,
      }))
  },
}

/** Without a name, because they are rare: the first that the text begins with. */
const UNNAMED: readonly (readonly [begins: string, statement: Statement])[] = [
  [
    // The store has none like it; the mutant `claimed-before-locked` has.
    'select 1 from mailbox.entry where account_id = $1::uuid for update',
    ({ view, values, lock }) => {
      const id = str(values[0])
      return lock(view.entries(id).map(({ seq }) => entryLock(id, seq))) ? [] : undefined
    },
  ],
  [
    'insert into mailbox.sender (account_id, device_id',
    ({ view, values, lock }) => {
      const [account_id, device_id] = [str(values[0]), num(values[1])]
      const key = senderKey(account_id, device_id)
      if (!lock([senderLock(key)])) return undefined
      if (view.sender(key)) return []
      const row = { account_id, device_id, session: 0, sent_no: 0, sent_tag: Buffer.alloc(8) }
      view.putSender(row)
      return [row]
    },
  ],
  [
    'insert into mailbox.mailbox',
    ({ view, values }) => {
      const [account_id, d1] = [str(values[0]), num(values[1])]
      if (!view.mailbox(account_id)) {
        view.putMailbox(account_id, { ...emptyMailbox(account_id), d1, a1: 0 })
      }
      return []
    },
  ],
  [
    'update mailbox.mailbox set d',
    ({ view, values, text }) => {
      const row = view.mailbox(str(values[0]))
      const slot = SLOTS.find((each) => text.includes(`set d${each} `))
      if (!row || !slot) return []
      view.putMailbox(row.account_id, {
        ...{ ...row, [`d${slot}`]: num(values[1]), [`a${slot}`]: row.head_seq },
      })
      return []
    },
  ],
  [
    'select device_id from mailbox.sender',
    ({ view, values }) => [view.sender(senderKey(str(values[0]), num(values[1]))) ?? []].flat(),
  ],
  [
    'select account_id from mailbox.mailbox where account_id = $1::uuid and $2::smallint in',
    ({ view, values }) => {
      const row = view.mailbox(str(values[0]))
      return row && ackedOf(row, values[1]) !== null ? [row] : []
    },
  ],
  [
    'select seq from mailbox.entry where account_id = $1::uuid and seq > $2::bigint and slots',
    ({ view, values }) => {
      const [after, bit] = [num(values[1]), num(values[2])]
      const held = view
        .entries(str(values[0]))
        .filter(({ seq, slots }) => seq > after && slots & bit)
      return held.slice(0, 1)
    },
  ],
  [
    'select account_id, seq, int8send(tag) as tag, sealed from mailbox.entry',
    ({ view, values }) => {
      const rows = view
        .entries(str(values[0]))
        .filter(({ expiresAtMs }) => expiresAtMs !== Infinity)
      return rows.slice(0, num(values[1])).map(opened)
    },
  ],
  [
    'with locked as ( select account_id, device_id from mailbox.sender',
    ({ view, values, lock }) => {
      const rows = view.senders(str(values[0]))
      if (!lock(rows.map((row) => senderLock(senderKey(row.account_id, row.device_id))))) {
        return undefined
      }
      for (const row of rows) view.putSender({ ...row, session: row.session + 1 })
      return []
    },
  ],
  [
    'delete from mailbox.entry where account_id = $1::uuid',
    ({ view, values }) => (view.ownEntries(str(values[0])).clear(), []),
  ],
  [
    'delete from mailbox.mailbox where account_id = $1::uuid',
    ({ view, values, lock }) => {
      if (!lock([mailboxLock(str(values[0]))])) return undefined
      view.putMailbox(str(values[0]), null)
      return []
    },
  ],
]

/** Throws where the store has a statement that nobody has taught this one. */
export function statementOf({ name, text }: { name?: string; text: string }): Statement {
  const named = name === undefined ? undefined : (BATCH_STATEMENTS[name] ?? NAMED[name])
  if (named !== undefined) return named
  const words = text.trim().replaceAll(/\s+/g, ' ')
  const unnamed = UNNAMED.find(([begins]) => words.startsWith(begins))
  if (unnamed !== undefined) return unnamed[1]
  throw new Error(`test/simulation/statements.ts does not know \`${name ?? words}\``)
}
