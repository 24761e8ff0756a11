import { expect, test } from 'vitest'
import { EnvelopeType, RefusalCode } from '@twotick/protocol'
import { enterAgain, enterRejected, type RefusedSend } from './again.ts'
import { addMessage, openBook, type Happening } from './book.ts'
import type { Attempt, OutgoingMessage } from './storage.ts'

const TO = { account: 'bob' }

function world(madeInEpoch = 'now') {
  const happenings: Happening[] = []
  const book = openBook({ messages: [], attempts: [], wishes: [] }, () => 1_000)
  const entering = { book, turn: { put: () => undefined }, happenings }
  const tag = new Uint8Array(8)
  const base = { to: TO, type: EnvelopeType.MESSAGE, lifetimeS: 0 }
  const attempt: Attempt = {
    ...{ ...base, no: 1, messageNo: 1, tag, rosterVersion: 0, accounts: ['bob'], madeInEpoch },
  }
  const reach = { bob: { at: 'waiting', attemptNo: 1 } } as const
  const message: OutgoingMessage = {
    ...{ ...base, no: 1, reach, attempts: [1], rosterTries: 0, resentTo: [] },
  }
  addMessage(entering, message, attempt)
  const reject = (refusal: Partial<RefusedSend>, of: Attempt = attempt) =>
    enterRejected(entering, of, {
      ...{ code: RefusalCode.UNKNOWN_RECIPIENT, detail: '', retryAfterMs: 0, epoch: 'now' },
      ...refusal,
    })
  return { book, entering, attempt, happenings, reject }
}

test('a rejection is definite, unless an older epoch may have stored it', () => {
  // Goal: design §4: then its Rejected does not say that nobody has it.
  for (const [madeInEpoch, maybeStored] of [['now', false] as const, ['before', true] as const]) {
    const { reject, happenings } = world(madeInEpoch)
    reject({})
    expect(happenings).toMatchObject([
      { type: 'rejected', no: 1, rejection: { maybeStored } },
      { type: 'done', no: 1 },
    ])
  }
})

test('a stale roster is tried again by itself, five times', () => {
  // Goal: bounded; in the end the application hears of it.
  const { reject, book, attempt, happenings } = world()
  for (let tries = 0; tries < 5; tries += 1) reject({ code: RefusalCode.ROSTER_STALE }, attempt)
  expect(happenings).toEqual([])
  expect([...book.wishes.values()]).toMatchObject([{ messageNo: 1, accountId: '', notBeforeMs: 0 }])
  reject({ code: RefusalCode.ROSTER_STALE }, attempt)
  expect(happenings.map(({ type }) => type)).toEqual(['rejected', 'done'])
})

test('each of many resends has its own tries', () => {
  // Goal: what is resent to everybody in a group meets as many stale rosters, and reaches them all.
  const { reject, book, attempt, happenings } = world()
  const stale = { code: RefusalCode.ROSTER_STALE }
  for (let member = 1; member <= 8; member += 1) {
    reject(stale, { ...attempt, again: { accountId: `member${member}`, deviceIds: [] } })
  }
  expect(happenings).toEqual([])
  expect(book.wishes.size).toBe(8)
  reject(stale, { ...attempt, again: { accountId: 'bob', deviceIds: [], rosterTries: 5 } })
  expect(happenings).toMatchObject([{ type: 'undelivered', undelivered: { accountId: 'bob' } }])
})

test('a rate limit is surfaced for a message, and waited for by a resend', () => {
  // Goal: no hidden reordering of messages; a resend is not lost to a limit that passes.
  const limited = { code: RefusalCode.RATE_LIMITED, retryAfterMs: 30_000 }
  const first = world()
  first.reject(limited)
  expect(first.happenings).toMatchObject([{ rejection: { retryAfterMs: 30_000 } }, {}])
  const { reject, book, attempt, happenings } = world()
  reject(limited, { ...attempt, again: { accountId: 'bob', deviceIds: [] } })
  expect(happenings).toEqual([])
  expect([...book.wishes.values()]).toMatchObject([{ accountId: 'bob', notBeforeMs: 31_000 }])
})

test('the application may send a rejected message again, and only such a one', () => {
  // Goal: the message is open again, with a wish for a new number.
  const { entering, reject, book } = world()
  expect(enterAgain(entering, 1)).toBe(false)
  reject({})
  expect(enterAgain(entering, 1)).toBe(true)
  expect(book.messages.get(1)).not.toHaveProperty('rejection')
  expect(book.wishes.size).toBe(1)
})
