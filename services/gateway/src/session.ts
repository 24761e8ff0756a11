// What a session owes its device, as a pure machine: `next(session, event)` says what it is now and
// what to do. Sockets, timers and calls are outside (connection.ts).
//
// A session is catching up or live.
//
//   catching-up  It reads the mailbox from the store, page by page, as far as the window has room.
//                Doorbells only raise `rungSeq`. It begins so, and comes back whenever a doorbell or
//                a head shows that something is missing or the window is full.
//   live         Everything that was ever rung has been pushed. A doorbell with exactly the next
//                seq is pushed straight on.
//
// It goes live only at or above the highest seq that was rung: an answer of the store that was on
// its way when the doorbell rang does not know what the doorbell knew.

import { type Entry, RefusalCode, type Status } from '@twotick/protocol'
import type { EntryName } from '@twotick/protocol/services'
import { asPushed, type FetchedPage, type Pushed, type SeenEntry, withMissed } from './page.ts'
import {
  countFitting,
  emptyWindow,
  freeRoom,
  hasEntry,
  hasRoom,
  namesUpTo,
  type Window,
  type WindowLimits,
  withoutAcked,
  withPushed,
} from './window.ts'

export interface Ack {
  readonly seq: number
  readonly failed: readonly number[]
}

/** An answer that waits until everything that it relies on has been pushed. */
interface HeldStatus {
  readonly status: Status
  readonly askerHeadSeq: number
}

interface Position {
  /** Up to here everything was pushed, or told as missed, or acked before. */
  readonly pushedSeq: number
  /** The cursor, as the store last said. */
  readonly ackedSeq: number
  /** The highest seq that a doorbell, a head or a status answer has shown to exist. */
  readonly rungSeq: number
  /** The head when the session opened; undefined once `Drained` was said. */
  readonly drainSeq: number | undefined
  readonly window: Window
  /** One ack is in flight at the store; what comes meanwhile is merged into `pendingAck`. */
  readonly ackCall: 'idle' | 'in-flight' | 'backing-off'
  readonly flyingAck: Ack | undefined
  readonly pendingAck: Ack | undefined
  readonly held: readonly HeldStatus[]
}

/** `fetch: none` is a full window: an ack reopens it. */
type CatchingUp = Position & {
  readonly at: 'catching-up'
  readonly fetch: 'none' | 'in-flight' | 'backing-off'
}
type Live = Position & { readonly at: 'live' }
export type Session = CatchingUp | Live

export type SessionEvent =
  /** A doorbell, with entries in seq order or none; or a head that reconciliation has read. */
  | { on: 'rung'; headSeq: number; entries: readonly SeenEntry[] }
  | ({ on: 'fetched' } & FetchedPage)
  | { on: 'fetch-failed' }
  | { on: 'fetch-due' }
  /** From the device. */
  | ({ on: 'ack' } & Ack)
  /** From the store. */
  | { on: 'acked'; ackedSeq: number }
  | { on: 'ack-failed' }
  | { on: 'ack-due' }
  | { on: 'status'; status: Status; askerHeadSeq: number }

export type Action =
  | { do: 'deliver'; entries: Entry[] }
  | { do: 'missed'; firstSeq: number; lastSeq: number }
  | { do: 'drained'; seq: number }
  | { do: 'status'; status: Status }
  | { do: 'fetch'; afterSeq: number; entriesMax: number; bytesMax: number }
  | { do: 'fetch-later' }
  | { do: 'ack'; seq: number; failed: number[]; names: EntryName[] }
  | { do: 'ack-later' }
  | { do: 'end'; code: RefusalCode }

type Step = [Session, Action[]]

/** A new session: it begins by catching up, whatever the head was when it opened. */
export function openSession(
  opened: { ackedSeq: number; headSeq: number },
  limits: WindowLimits,
): Step {
  const session: CatchingUp = {
    at: 'catching-up',
    fetch: 'none',
    pushedSeq: opened.ackedSeq,
    ackedSeq: opened.ackedSeq,
    rungSeq: opened.headSeq,
    drainSeq: opened.headSeq,
    window: emptyWindow(limits),
    ackCall: 'idle',
    flyingAck: undefined,
    pendingAck: undefined,
    held: [],
  }
  // Also with nothing to fetch: what is appended between the opening and the first doorbell that
  // finds this session's presence is seen by this fetch alone.
  const actions: Action[] = []
  return startFetch(sayWhatIsDue(session, actions), actions)
}

export function next(session: Session, event: SessionEvent): Step {
  switch (event.on) {
    case 'rung':
      return rung(session, event.headSeq, event.entries)
    case 'fetched':
      return fetched(session, event)
    case 'fetch-failed':
      return [{ ...session, at: 'catching-up', fetch: 'backing-off' }, [{ do: 'fetch-later' }]]
    case 'fetch-due':
      return settle({ ...session, at: 'catching-up', fetch: 'none' }, [])
    case 'ack':
      return acknowledge(session, event)
    case 'acked':
      return acked(session, event.ackedSeq)
    case 'ack-failed':
      return ackFailed(session)
    case 'ack-due':
      return sendAck({ ...session, ackCall: 'idle' }, [])
    case 'status': {
      const { status, askerHeadSeq } = event
      const held = [...session.held, { status, askerHeadSeq }]
      return settle({ ...withRung(session, askerHeadSeq), held }, [])
    }
  }
}

// ---------------------------------------------------------------- pushing

function rung(session: Session, headSeq: number, entries: readonly SeenEntry[]): Step {
  // What reconciliation has to say, as a rule. Whatever else could be due by now, `settle` has done.
  if (headSeq <= session.rungSeq && entries.length === 0) return [session, []]
  const actions: Action[] = []
  let after = withRung(session, headSeq)
  if (after.at === 'live') {
    // From the next seq on and only as far as they follow one another: a lost doorbell is a gap
    // that only the store can fill.
    const following: SeenEntry[] = []
    for (const entry of entries) {
      if (entry.seq === after.pushedSeq + following.length + 1) following.push(entry)
    }
    after = push(after, following.map(asPushed), actions)
  }
  return settle(after, actions)
}

function fetched(session: Session, page: FetchedPage): Step {
  const actions: Action[] = []
  const at = withAcked(withRung(session, page.headSeq), page.ackedSeq)
  const after = push(at, withMissed(at.pushedSeq, page), actions)
  if (after.pushedSeq === session.pushedSeq && after.pushedSeq < after.rungSeq) {
    // The store does not yet show what was rung. It will; but do not ask it in a circle.
    return [{ ...after, at: 'catching-up', fetch: 'backing-off' }, [{ do: 'fetch-later' }]]
  }
  return settle({ ...after, at: 'catching-up', fetch: 'none' }, actions)
}

/** Pushes of `items`, which follow `pushedSeq`, what the window has room for. */
function push(session: Session, items: readonly Pushed[], actions: Action[]): Session {
  const fitting = items.slice(0, countFitting(session.window, items))
  const last = fitting.at(-1)
  if (last === undefined) return session
  let entries: Entry[] = []
  for (const { firstSeq, lastSeq, entry } of fitting) {
    if (entry !== undefined) {
      if (entries.length === 0) actions.push({ do: 'deliver', entries })
      entries.push(entry)
    } else {
      actions.push({ do: 'missed', firstSeq, lastSeq })
      entries = []
    }
  }
  const inWindow = fitting.map(({ lastSeq, bytes, name }) => ({ lastSeq, bytes, name }))
  return { ...session, pushedSeq: last.lastSeq, window: withPushed(session.window, inWindow) }
}

/** Says what may be said by now, and decides whether to be live or to fetch. */
function settle(session: Session, actions: Action[]): Step {
  const after = sayWhatIsDue(session, actions)
  if (after.at === 'catching-up' && after.fetch !== 'none') return [after, actions]
  if (after.pushedSeq >= after.rungSeq) return [{ ...after, at: 'live' }, actions]
  if (hasRoom(after.window)) return startFetch(after, actions)
  return [{ ...after, at: 'catching-up', fetch: 'none' }, actions]
}

function sayWhatIsDue(session: Session, actions: Action[]): Session {
  let after = session
  const { pushedSeq } = after
  if (after.drainSeq !== undefined && pushedSeq >= after.drainSeq) {
    actions.push({ do: 'drained', seq: pushedSeq })
    after = { ...after, drainSeq: undefined }
  }
  if (after.held.some(({ askerHeadSeq }) => askerHeadSeq <= pushedSeq)) {
    for (const { status, askerHeadSeq } of after.held) {
      if (askerHeadSeq <= pushedSeq) actions.push({ do: 'status', status })
    }
    after = { ...after, held: after.held.filter((held) => held.askerHeadSeq > pushedSeq) }
  }
  return after
}

function startFetch(session: Session, actions: Action[]): Step {
  const { entriesMax, bytesMax } = freeRoom(session.window)
  actions.push({ do: 'fetch', afterSeq: session.pushedSeq, entriesMax, bytesMax })
  return [{ ...session, at: 'catching-up', fetch: 'in-flight' }, actions]
}

function withRung(session: Session, seq: number): Session {
  return seq > session.rungSeq ? { ...session, rungSeq: seq } : session
}

// ---------------------------------------------------------------- acknowledging

function acknowledge(session: Session, { seq, failed }: Ack): Step {
  if (seq > Math.max(session.pushedSeq, session.ackedSeq)) {
    return [session, [{ do: 'end', code: RefusalCode.ACK_BEYOND_PUSHED }]]
  }
  // The device names a failure in every ack until it is through; only those in the window count.
  const counting = failed.filter((failedSeq) => hasEntry(session.window, failedSeq))
  const pendingAck = merged(session.pendingAck, { seq, failed: counting })
  return sendAck({ ...session, pendingAck }, [])
}

function acked(session: Session, ackedSeq: number): Step {
  const after: Session = { ...session, ackCall: 'idle', flyingAck: undefined }
  const [sent, actions] = sendAck(withAcked(after, ackedSeq), [])
  return settle(sent, actions)
}

/** Whether the store has taken it is unknown: it goes again, with what came meanwhile. */
function ackFailed(session: Session): Step {
  const { flyingAck, pendingAck } = session
  const again = flyingAck === undefined ? pendingAck : merged(pendingAck, flyingAck)
  const after: Session = { ...session, flyingAck: undefined, pendingAck: again }
  return [{ ...after, ackCall: 'backing-off' }, [{ do: 'ack-later' }]]
}

function sendAck(session: Session, actions: Action[]): Step {
  const { pendingAck, window, ackedSeq } = session
  if (pendingAck === undefined || session.ackCall !== 'idle') return [session, actions]
  if (pendingAck.seq <= ackedSeq) return [{ ...session, pendingAck: undefined }, actions]
  const { seq } = pendingAck
  actions.push({ do: 'ack', seq, failed: [...pendingAck.failed], names: namesUpTo(window, seq) })
  const after = { ...session, pendingAck: undefined, flyingAck: pendingAck }
  return [{ ...after, ackCall: 'in-flight' }, actions]
}

function merged(pending: Ack | undefined, more: Ack): Ack {
  if (pending === undefined) return more
  const failed = new Set([...pending.failed, ...more.failed])
  return { seq: Math.max(pending.seq, more.seq), failed: [...failed] }
}

/**
 * The store's word on the cursor. It may be beyond what was pushed here: an ack of an older session
 * that was still on its way. The device has that, so it is skipped.
 */
function withAcked(session: Session, ackedSeq: number): Session {
  return {
    ...session,
    ackedSeq: Math.max(session.ackedSeq, ackedSeq),
    pushedSeq: Math.max(session.pushedSeq, ackedSeq),
    window: withoutAcked(session.window, ackedSeq),
  }
}
