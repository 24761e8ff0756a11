// Drives a session's machine (session.ts): turns what happens into its events, and what it decides
// into frames, calls and timers.

import { backoffMs, unary } from '@twotick/chassis'
import type { Ack, Entry, Refusal, StatusQuery } from '@twotick/protocol'
import type { EnvelopeStoreClient, StoredEntry } from '@twotick/protocol/services'
import type { Epochs } from './epoch.ts'
import type { GatewayEvents } from './events.ts'
import type { Opened } from './handshake.ts'
import { type Action, next, openSession, type SessionEvent } from './session.ts'
import { seenBy } from './seen.ts'
import type { DeviceSocket } from './socket.ts'
import type { WindowLimits } from './window.ts'
import type { Writes } from './writes.ts'

/** Of one call to the store. */
const CALL_MS = 1_900
const BACKOFF = { firstMs: 50, maxMs: 2_000 }

/** Entries of one frame: the rest of the 96 KiB is room for one more at its largest. */
const DELIVER_BYTES_MAX = 24 * 1_024

export interface PusherParts {
  readonly store: EnvelopeStoreClient
  readonly writes: Writes
  readonly epochs: Epochs
  readonly events: GatewayEvents
}

export interface PusherOptions {
  readonly opened: Opened
  readonly limits: WindowLimits
  /** Ends the session. */
  readonly end: (refusal: Refusal) => void
}

export interface Pusher {
  /** Begins to catch up. What is rung before is remembered. */
  start(): void
  rung(headSeq: number, entries: readonly StoredEntry[]): void
  ack(ack: Ack): void
  /** Answers when all that the answer relies on was pushed. Rejects if the store does not answer. */
  query(query: StatusQuery): Promise<void>
  close(): void
}

export function createPusher(
  socket: DeviceSocket,
  { store, writes, epochs, events }: PusherParts,
  { opened, limits, end }: PusherOptions,
): Pusher {
  const { device, epoch } = opened
  const closing = new AbortController()
  const { signal } = closing
  const timers = new Set<NodeJS.Timeout>()
  let [session, firstActions] = openSession(opened, limits)
  let fetchFailures = 0
  let ackFailures = 0

  function feed(event: SessionEvent) {
    if (signal.aborted) return
    const [after, actions] = next(session, event)
    session = after
    for (const action of actions) perform(action)
  }

  function perform(action: Action) {
    switch (action.do) {
      case 'deliver':
        return deliver(action.entries)
      case 'missed': {
        const { firstSeq, lastSeq } = action
        return socket.send({ $case: 'missed', value: { firstSeq, lastSeq } })
      }
      case 'drained':
        return socket.send({ $case: 'drained', value: { seq: action.seq } })
      case 'status':
        return socket.send({ $case: 'status', value: action.status })
      case 'fetch':
        return void fetch(action)
      case 'fetch-later':
        return later(++fetchFailures, { on: 'fetch-due' })
      case 'ack':
        return void ack(action)
      case 'ack-later':
        return later(++ackFailures, { on: 'ack-due' })
      case 'end':
        return end({ code: action.code, detail: '', retryAfterMs: 0 })
    }
  }

  function deliver(entries: readonly Entry[]) {
    events.pushed(entries.length)
    for (const some of inFrames(entries)) {
      socket.send({ $case: 'deliver', value: { entries: some } })
    }
  }

  async function fetch({ afterSeq, entriesMax, bytesMax }: Action & { do: 'fetch' }) {
    try {
      const request = { epoch, device, afterSeq, entriesMax, bytesMax }
      const reply = await unary(store, 'fetch', request, { deadlineMs: CALL_MS, signal })
      if (signal.aborted) return
      epochs.meet(reply.epoch)
      if (reply.outcome?.$case === 'refusal') return end(reply.outcome.value)
      if (reply.outcome === undefined) throw new Error('an answer without an outcome')
      fetchFailures = 0
      const { entries, ...page } = reply.outcome.value
      feed({ on: 'fetched', ...page, entries: entries.map((entry) => seenBy(device, entry)) })
    } catch (error) {
      if (signal.aborted) return
      events.failed('a mailbox could not be fetched', error)
      feed({ on: 'fetch-failed' })
    }
  }

  async function ack({ seq, failed, names }: Action & { do: 'ack' }) {
    const outcome = await writes.ack(epoch, { device, seq, failed, names })
    if (signal.aborted) return
    if (outcome.$case === 'refusal') return end(outcome.value)
    if (outcome.$case !== 'acked') return feed({ on: 'ack-failed' })
    ackFailures = 0
    feed({ on: 'acked', ackedSeq: outcome.value.ackedSeq })
  }

  function later(attempt: number, event: SessionEvent) {
    const timer = setTimeout(
      () => {
        timers.delete(timer)
        feed(event)
      },
      backoffMs(attempt, BACKOFF),
    )
    timers.add(timer)
  }

  return {
    start() {
      const actions = firstActions
      firstActions = []
      for (const action of actions) perform(action)
    },
    rung(headSeq, entries) {
      const seen = session.at === 'live' ? entries.map((entry) => seenBy(device, entry)) : []
      feed({ on: 'rung', headSeq, entries: seen })
    },
    ack: ({ seq, failed }) => feed({ on: 'ack', seq, failed }),
    async query({ queryId, recipientAccountId, items }) {
      const request = { epoch, asker: device, recipientAccountId, items }
      const reply = await unary(store, 'getStatus', request, { deadlineMs: CALL_MS, signal })
      epochs.meet(reply.epoch)
      if (reply.outcome?.$case === 'refusal') return end(reply.outcome.value)
      if (reply.outcome === undefined) throw new Error('an answer without an outcome')
      const { answers, askerHeadSeq } = reply.outcome.value
      feed({ on: 'status', status: { queryId, recipientAccountId, answers }, askerHeadSeq })
    },
    close() {
      closing.abort()
      for (const timer of timers) clearTimeout(timer)
    },
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
