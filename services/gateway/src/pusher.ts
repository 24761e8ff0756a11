// Drives a session's machine (session.ts): turns what happens into its events, and what it decides
// into frames, calls and timers.

import { backoffMs } from '@twotick/chassis'
import type { Ack, DeviceAddress, Entry, Refusal, Status, StatusQuery } from '@twotick/protocol'
import type { StoredEntry, TraceHops } from '@twotick/protocol/services'
import type { GatewayEvents } from './events.ts'
import type { OpenedSession } from './handshake.ts'
import {
  type Answered,
  type Asker,
  askStatus,
  createAsker,
  endCalls,
  fetchPage,
  type MailboxParts,
  putAck,
} from './mailbox-calls.ts'
import type { SeenEntry } from './page.ts'
import { createPushTraces, isTraced, type PushTraces } from './push-traces.ts'
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
  readonly opened: OpenedSession
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
  const { pushes } = parts.events
  const asker = createAsker({ device, epoch, answerMs })
  const unacked = pushes.open()
  const [begun, firstActions] = openSession(opened, limits)
  let session = begun
  // What most sessions do not need most of the time is not there before.
  let retries: Retries | undefined
  let said: Said | undefined
  let traces: PushTraces | undefined

  function feed(event: Answered) {
    if (asker.isOver) return
    if (event.on === 'refused') return end(event.refusal)
    if (event.on === 'fetched') traces = withMet(traces, device, event.entries)
    const [after, actions] = next(session, event)
    pushes.moved(unacked, session, after)
    session = after
    for (const action of actions) perform(action, event.on === 'rung')
  }

  function perform(action: Action, isLive = false) {
    if (action.do === 'end') return end({ code: action.code, detail: '', retryAfterMs: 0 })
    if (action.do === 'fetch') return void fetchAnyway(parts, asker, action).then(feed)
    if (action.do === 'ack') return void putTraced(parts, asker, action, traces).then(feed)
    if (action.do === 'fetch-later') return later('fetch', { on: 'fetch-due' })
    if (action.do === 'ack-later') return later('ack', { on: 'ack-due' })
    if (action.do === 'deliver') {
      pushes.pushed(unacked, action.entries, isLive)
      traces?.pushed(action.entries, isLive)
    }
    for (const frame of framesOf(action)) socket.send(frame)
    if (action.do === 'status') said?.now(action.status)
  }

  function later(kind: 'fetch' | 'ack', due: Answered) {
    retries ??= createRetries()
    retries.later(kind, () => feed(due))
  }

  return {
    start: () => firstActions.splice(0).forEach((action) => perform(action)),
    rung(headSeq, entries, hops) {
      const isNews = headSeq > session.rungSeq
      const seen = session.at === 'live' ? entries.map((entry) => seenBy(device, entry)) : []
      traces = withMet(traces, device, seen, hops)
      feed({ on: 'rung', headSeq, entries: seen })
      return isNews
    },
    ack: ({ seq, failed }) => feed({ on: 'ack', seq, failed }),
    async query(query) {
      const found = await askStatus(parts, asker, query)
      said ??= createSaid()
      const isSaid = found.on === 'status' ? said.later(found.status) : undefined
      feed(found)
      if (!asker.isOver) await isSaid
    },
    close() {
      endCalls(asker)
      pushes.close(unacked)
      retries?.close()
      said?.close()
    },
  }
}

/** Has an answer, whatever happens. */
async function fetchAnyway(
  parts: PusherParts,
  asker: Asker,
  page: Action & { do: 'fetch' },
): Promise<Answered> {
  try {
    return await fetchPage(parts, asker, page)
  } catch (error) {
    if (!asker.isOver) parts.events.failed('a mailbox could not be fetched', error)
    return { on: 'fetch-failed' }
  }
}

function putTraced(
  parts: PusherParts,
  asker: Asker,
  action: Action & { do: 'ack' },
  traces: PushTraces | undefined,
): Promise<Answered> {
  if (traces === undefined) return putAck(parts, asker, action)
  return traces.ack(action, (traced) => putAck(parts, asker, traced))
}

/** There are traces once an entry is traced. */
function withMet(
  traces: PushTraces | undefined,
  device: DeviceAddress,
  entries: readonly SeenEntry[],
  hops?: TraceHops,
): PushTraces | undefined {
  if (traces === undefined && !entries.some(isTraced)) return undefined
  const some = traces ?? createPushTraces(device)
  some.met(entries, hops)
  return some
}

type Said = ReturnType<typeof createSaid>

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

type Told = Extract<Action, { do: 'deliver' | 'missed' | 'drained' | 'status' }>

function framesOf(action: Told): DownFrame[] {
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

type Retries = ReturnType<typeof createRetries>

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
