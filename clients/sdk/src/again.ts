// What becomes of a send that has to be made once more. Always under a new number, always naming the
// original inside, and only for one of these reasons: its roster was stale; it is itself such a
// repetition and may not be lost to a limit that passes; a device could not process it, or the store's
// history was rolled back beneath it (ticks.ts); the application asks for it. It is a durable wish
// until it is encoded, then an attempt.

import { RefusalCode } from '@twotick/protocol'
import { dropAttempt, dropWish, isAwaited, keepAttempt, keepMessage } from './book.ts'
import { keepWish, withReach, type Book, type Entering } from './book.ts'
import type { Attempt, OutgoingMessage, Reach, Rejection, Wish } from './storage.ts'

const ROSTER_TRIES_MAX = 5
const PASSING_WAIT_MS = 10_000
/** A resend waits no longer, whatever it is told. */
export const WAIT_MS_MAX = 86_400_000
const PASSING: readonly RefusalCode[] = [
  RefusalCode.RATE_LIMITED,
  RefusalCode.MAILBOX_FULL,
  RefusalCode.OWN_MAILBOX_FULL,
]

export type RefusedSend = Omit<Rejection, 'maybeStored'>

/** An attempt was rejected: it is stored nowhere, unless in an epoch older than this one. */
export function enterRejected(
  entering: Entering,
  attempt: Attempt,
  { epoch, ...refusal }: RefusedSend & { readonly epoch: string },
): void {
  const { book } = entering
  dropAttempt(entering, attempt.no)
  const before = book.messages.get(attempt.messageNo)
  if (!before) return
  const {
    accountId,
    deviceIds,
    rosterTries = 0,
  } = attempt.again ?? { accountId: '', deviceIds: [] }
  const isResend = accountId !== ''
  const isStale = refusal.code === RefusalCode.ROSTER_STALE
  const message: OutgoingMessage = {
    ...before,
    maybeStored: before.maybeStored === true || attempt.madeInEpoch !== epoch,
    attempts: before.attempts.filter((no) => no !== attempt.no),
    rosterTries: before.rosterTries + (isStale && !isResend ? 1 : 0),
  }
  // Each resend has its own tries: those of one message to many members may all be stale once.
  const tries = isResend ? rosterTries + (isStale ? 1 : 0) : message.rosterTries
  const waitMs = waitBeforeAgain(refusal, tries, isResend)
  if (waitMs === undefined) {
    close(entering, message, { accountId, attemptNo: attempt.no, refusal })
    return
  }
  const awaits = isAwaited(message, accountId, attempt.no)
  const reach: Reach = { at: 'waiting', attemptNo: 0 }
  keepMessage(entering, awaits ? withReach(message, accountId, reach) : message)
  const notBeforeMs = waitMs === 0 ? 0 : book.now() + waitMs
  const wish = { messageNo: message.no, accountId, deviceIds, notBeforeMs }
  keepWish(entering, isResend ? { ...wish, rosterTries: tries } : wish)
}

/** How long to wait before a rejected attempt is made again by itself; undefined: it is not. */
function waitBeforeAgain(refusal: RefusedSend, rosterTries: number, isResend: boolean) {
  if (refusal.code === RefusalCode.ROSTER_STALE) {
    return rosterTries <= ROSTER_TRIES_MAX ? 0 : undefined
  }
  const passes = isResend && PASSING.includes(refusal.code)
  if (!passes) return undefined
  return Math.min(Math.max(refusal.retryAfterMs, PASSING_WAIT_MS), WAIT_MS_MAX)
}

interface Closing {
  readonly accountId: string // '': the message as a whole
  readonly attemptNo: number
  readonly refusal: RefusedSend
}

function close(entering: Entering, message: OutgoingMessage, closing: Closing): void {
  const { accountId, attemptNo, refusal } = closing
  if (accountId === '') {
    const rejection = { ...refusal, maybeStored: message.maybeStored === true }
    entering.happenings.push({ type: 'rejected', no: message.no, rejection })
    keepMessage(entering, { ...message, rejection })
  } else {
    const awaits = isAwaited(message, accountId, attemptNo)
    const { code } = refusal
    const undelivered = { accountId, code }
    if (awaits) entering.happenings.push({ type: 'undelivered', no: message.no, undelivered })
    const reach: Reach = { at: 'rejected', code }
    keepMessage(entering, awaits ? withReach(message, accountId, reach) : message)
  }
}

/** A wish has become an attempt. */
export function enterAttempt(entering: Entering, wish: Wish, attempt: Attempt): void {
  dropWish(entering, wish)
  const before = entering.book.messages.get(wish.messageNo)
  if (!before) return
  keepAttempt(entering, attempt)
  const message = { ...before, attempts: [...before.attempts, attempt.no] }
  const waiting: Reach = { at: 'waiting', attemptNo: attempt.no }
  if (wish.accountId === '') {
    const renew = (id: string) =>
      before.reach[id]?.at === 'delivered' ? before.reach[id] : waiting
    const reach = Object.fromEntries(attempt.accounts.map((id) => [id, renew(id)]))
    keepMessage(entering, { ...message, reach })
  } else {
    const awaits = isAwaited(message, wish.accountId, 0)
    keepMessage(entering, awaits ? withReach(message, wish.accountId, waiting) : message)
  }
}

/** A wish cannot become an attempt: its recipient is gone, say. */
export function enterGivenUp(entering: Entering, wish: Wish, refusal: RefusedSend): void {
  dropWish(entering, wish)
  const message = entering.book.messages.get(wish.messageNo)
  if (message) close(entering, message, { accountId: wish.accountId, attemptNo: 0, refusal })
}

/** Whether nobody needs any more what was wished for. */
export function isMoot(book: Book, { messageNo, accountId, deviceIds }: Wish): boolean {
  const message = book.messages.get(messageNo)
  if (!message) return true
  return deviceIds.length === 0 && message.reach[accountId]?.at === 'delivered'
}

/** The application sends a rejected message again. False: there is no such message. */
export function enterAgain(entering: Entering, no: number): boolean {
  const message = entering.book.messages.get(no)
  if (!message?.rejection) return false
  const open: Mutable<OutgoingMessage> = { ...message, rosterTries: 0 }
  delete open.rejection
  delete open.doneAtMs
  keepMessage(entering, open)
  keepWish(entering, { messageNo: no, accountId: '', deviceIds: [], notBeforeMs: 0 })
  return true
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
