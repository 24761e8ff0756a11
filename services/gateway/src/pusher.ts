// Drives a session's machine (session.ts): turns what happens into its events, and what it decides
// into frames, calls and timers.

import { backoffMs } from '@twotick/chassis'
import type { Ack, Entry, Refusal, Status, StatusQuery } from '@twotick/protocol'
import type { StoredEntry, TraceHops } from '@twotick/protocol/services'
import type { GatewayEvents } from './events.ts'
import type { Opened } from './handshake.ts'
import {
  type Answered,
  createMailboxCalls,
  type MailboxCalls,
  type MailboxParts,
} from './mailbox-calls.ts'
import { createPushTraces } from './push-traces.ts'
import { seenBy } from './seen.ts'
import { type Action, next, openSession } from './session.ts'
import type { DeviceSocket, DownFrame } from './socket.ts'
import type { WindowLimits } from './window.ts'

const BACKOFF = { firstMs: 50, maxMs: 2_000 }

/** Entries of one frame: the rest of the 96 KiB is room for one more at its largest. */
const DELIVER_BYTES_MAX = 24 * 1_024

export interface PusherParts extends MailboxParts {
  readonly events: GatewayEvents
}

export interface PusherOptions {
  readonly opened: Opened
  readonly limits: WindowLimits
  readonly answerMs: number
  /** Ends the session. */
  readonly end: (refusal: Refusal) => void
}

export interface Pusher {
  /** Begins to catch up. What is rung before is remembered. */
  start(): void
  /** True: that there is so much was not known here. */
  rung(headSeq: number, entries: readonly StoredEntry[], traces?: TraceHops): boolean
  ack(ack: Ack): void
  /**
   * Resolves once it is answered, which is when all that the answer relies on was pushed, or the
   * session is over. Rejects if the store does not answer.
   */
  query(query: StatusQuery): Promise<void>
  close(): void
}

export function createPusher(
  socket: Pick<DeviceSocket, 'send'>,
  parts: PusherParts,
  { opened, limits, answerMs, end }: PusherOptions,
): Pusher {
  const { device, epoch } = opened
  const { events } = parts
  const closing = new AbortController()
  const { signal } = closing
  const calls = createMailboxCalls(parts, { device, epoch, answerMs, signal })
  const fetch = fetching(calls, events, signal)
  const retries = createRetries()
  const said = createSaid()
  const pushes = events.openPushes()
  const traces = createPushTraces(device, pushes)
  let [session, firstActions] = openSession(opened, limits)

  function feed(event: Answered) {
    if (signal.aborted) return
    if (event.on === 'refused') return end(event.refusal)
    if (event.on === 'fetched') traces.met(event.entries)
    const [after, actions] = next(session, event)
    pushes.moved(session, after)
    session = after
    for (const action of actions) perform(action, event.on === 'rung')
  }

  function perform(action: Action, isLive = false) {
    if (action.do === 'end') return end({ code: action.code, detail: '', retryAfterMs: 0 })
    if (action.do === 'fetch') return void fetch(action).then(feed)
    if (action.do === 'fetch-later') return retries.later('fetch', () => feed({ on: 'fetch-due' }))
    if (action.do === 'ack') return void traces.ack(action, calls.ack).then(feed)
    if (action.do === 'ack-later') return retries.later('ack', () => feed({ on: 'ack-due' }))
    if (action.do === 'deliver') traces.pushed(action.entries, isLive)
    for (const frame of framesOf(action)) socket.send(frame)
    if (action.do === 'status') said.now(action.status)
  }

  async function query(query: StatusQuery) {
    const found = await calls.status(query)
    const isSaid = found.on === 'status' ? said.later(found.status) : undefined
    feed(found)
    if (!signal.aborted) await isSaid
  }

  return {
    start() {
      const actions = firstActions
      firstActions = []
      for (const action of actions) perform(action)
    },
    rung(headSeq, entries, hops) {
      const isNews = headSeq > session.rungSeq
      const seen = session.at === 'live' ? entries.map((entry) => seenBy(device, entry)) : []
      traces.met(seen, hops)
      feed({ on: 'rung', headSeq, entries: seen })
      return isNews
    },
    ack: ({ seq, failed }) => feed({ on: 'ack', seq, failed }),
    query,
    close() {
      closing.abort()
      pushes.close()
      retries.close()
      said.close()
    },
  }
}

/** A fetch that always has an answer. */
function fetching(calls: MailboxCalls, events: GatewayEvents, signal: AbortSignal) {
  return async (action: Action & { do: 'fetch' }): Promise<Answered> => {
    try {
      return await calls.fetch(action)
    } catch (error) {
      if (!signal.aborted) events.failed('a mailbox could not be fetched', error)
      return { on: 'fetch-failed' }
    }
  }
}

/** Tells when a status is said: it may be held for long, and a device may have few of them. */
function createSaid() {
  const waiting = new Map<Status, () => void>()
  function now(status: Status) {
    waiting.get(status)?.()
    waiting.delete(status)
  }
  return {
    later: (status: Status) => new Promise<void>((resolve) => waiting.set(status, resolve)),
    now,
    close() {
      for (const status of [...waiting.keys()]) now(status)
    },
  }
}

type Said = Extract<Action, { do: 'deliver' | 'missed' | 'drained' | 'status' }>

function framesOf(action: Said): DownFrame[] {
  switch (action.do) {
    case 'deliver':
      return inFrames(action.entries).map((entries) => ({ $case: 'deliver', value: { entries } }))
    case 'missed': {
      const { firstSeq, lastSeq } = action
      return [{ $case: 'missed', value: { firstSeq, lastSeq } }]
    }
    case 'drained':
      return [{ $case: 'drained', value: { seq: action.seq } }]
    case 'status':
      return [{ $case: 'status', value: action.status }]
  }
}

/** Splits so that each frame stays within its bound. */
function inFrames(entries: readonly Entry[]): Entry[][] {
  const frames: Entry[][] = []
  let bytes = 0
  for (const entry of entries) {
    const frame = frames.at(-1)
    if (frame === undefined || bytes > DELIVER_BYTES_MAX) {
      frames.push([entry])
      bytes = 0
    } else frame.push(entry)
    const { content } = entry
    bytes += content?.$case === 'envelope' ? content.value.ciphertext.length + 160 : 16_384
  }
  return frames
}

/** Each kind of call backs off by itself, and anew when it has not failed for a while. */
function createRetries() {
  const timers = new Map<string, NodeJS.Timeout>()
  const attempts = new Map<string, { count: number; at: number }>()
  return {
    later(kind: 'fetch' | 'ack', again: () => void) {
      const now = performance.now()
      const last = attempts.get(kind)
      const isNew = last === undefined || now - last.at > 2 * BACKOFF.maxMs
      const count = isNew ? 1 : last.count + 1
      attempts.set(kind, { count, at: now })
      timers.set(kind, setTimeout(again, backoffMs(count, BACKOFF)))
    },
    close() {
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}
