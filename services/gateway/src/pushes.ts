// What was pushed and is not acknowledged yet, on all sessions of this gateway, for its metrics: how
// long devices take, who does not get on, and what a session leaves to be pushed once more. One note
// a push, not one an entry.

import { LATENCY_SECONDS, type Meter } from '@twotick/chassis'
import type { Entry } from '@twotick/protocol'
import type { Session } from './session.ts'

/** A connected device that acknowledges nothing for so long does not get on. */
const STALLED_MS = 60_000

/** What one session has pushed that its device has not acknowledged, oldest first. */
export type Unacked = Push[]

/** One for all sessions: a session has nothing but its list. */
export interface Pushes {
  open(): Unacked
  /** One frame's worth; `isLive`: it was rung, not fetched. */
  pushed(unacked: Unacked, entries: readonly Entry[], isLive: boolean): void
  /** The session's machine went from one state to the next. */
  moved(unacked: Unacked, from: Session, to: Session): void
  /** The session is over: what it has not acknowledged will be pushed again. */
  close(unacked: Unacked): void
}

interface Push {
  readonly lastSeq: number
  readonly count: number
  readonly at: number
  /** By the database's clock; 0: it tells nothing of the delivery. */
  readonly acceptedAtMs: number
}

export function createPushes(meter: Meter): Pushes {
  const open = new Set<Unacked>()
  const pushed = meter.counter('twotick.gateway.pushed', 'entries pushed')
  const caughtUp = meter.counter(
    'twotick.gateway.catch_ups',
    'times that a live session had to catch up',
  )
  const redelivered = meter.counter(
    'twotick.gateway.redelivered',
    'entries that a session had pushed and that go to the next one again',
  )
  const latency = meter.histogram(
    'twotick.gateway.delivery_latency_seconds',
    'from the first tick until a device that was live has acknowledged it durably',
    LATENCY_SECONDS,
  )
  meter.gauge('twotick.gateway.unacked_entries', 'pushed and not acknowledged', () =>
    [...open].reduce((sum, pushes) => sum + countOf(pushes), 0),
  )
  meter.gauge(
    'twotick.gateway.oldest_unacked_age_seconds',
    'how long the connected device that waits longest has not acknowledged what was pushed',
    () => ages(open).reduce((oldest, age) => Math.max(oldest, age), 0) / 1_000,
  )
  meter.gauge(
    'twotick.gateway.stalled_sessions',
    'sessions that have not acknowledged for a minute what was pushed',
    () => ages(open).filter((ageMs) => ageMs > STALLED_MS).length,
  )

  return {
    open() {
      const unacked: Unacked = []
      open.add(unacked)
      return unacked
    },
    pushed(unacked, entries, isLive) {
      const last = entries.at(-1)
      if (last === undefined) return
      pushed.add(entries.length)
      const acceptedAtMs = isLive && last.content?.$case === 'envelope' ? last.acceptedAtMs : 0
      const { seq: lastSeq } = last
      unacked.push({ lastSeq, count: entries.length, at: performance.now(), acceptedAtMs })
    },
    moved(unacked, from, to) {
      if (from.at === 'live' && to.at === 'catching-up') caughtUp.add()
      if (from.ackedSeq === to.ackedSeq) return
      while (unacked[0] !== undefined && unacked[0].lastSeq <= to.ackedSeq) {
        const { acceptedAtMs } = unacked[0]
        unacked.shift()
        if (acceptedAtMs === 0) continue
        // Two clocks: a delivery never took less than nothing.
        latency.record(Math.max(0, Date.now() - acceptedAtMs) / 1_000)
      }
    },
    close(unacked) {
      if (open.delete(unacked)) redelivered.add(countOf(unacked))
    },
  }
}

function countOf(pushes: readonly Push[]): number {
  return pushes.reduce((sum, { count }) => sum + count, 0)
}

/** Of each session with something unacknowledged: how long it waits. */
function ages(open: ReadonlySet<readonly Push[]>): number[] {
  const now = performance.now()
  return [...open].flatMap(([oldest]) => (oldest === undefined ? [] : [now - oldest.at]))
}
