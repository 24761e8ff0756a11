// Goal: whatever is lost, doubled, reordered or late, every entry is pushed exactly once, in order, or
// told as missed; never more than the window; `Drained` and status answers at the right time; and
// when things calm down, everything has been pushed.

import fc from 'fast-check'
import { test } from 'vitest'
import type { SeenEntry } from './page.ts'
import { type Action, next, openSession, type Session, type SessionEvent } from './session.ts'

const LIMITS = { entriesMax: 4, bytesMax: 100 }
const ENTRY_BYTES_MAX = 25
const SENDER = { accountId: '00000000-0000-4000-8000-000000000001', deviceId: 1 }

/** A step of the world around the session; numbers choose among what there is. */
const step = fc.oneof(
  fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant('expire' as const), which: fc.nat() }),
  fc.record({ do: fc.constant('ring' as const), which: fc.nat(), isLast: fc.boolean() }),
  fc.record({ do: fc.constant('ring-empty' as const) }),
  fc.record({ do: fc.constant('lose' as const), which: fc.nat() }),
  fc.record({ do: fc.constant('read' as const) }),
  fc.record({ do: fc.constant('answer' as const), isFailure: fc.boolean() }),
  fc.record({ do: fc.constant('due' as const) }),
  fc.record({ do: fc.constant('device-acks' as const), back: fc.nat(3) }),
  fc.record({ do: fc.constant('store-acks' as const) }),
  fc.record({ do: fc.constant('ack-answer' as const), isFailure: fc.boolean() }),
  fc.record({ do: fc.constant('older-ack' as const) }),
  fc.record({ do: fc.constant('query' as const) }),
)

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

interface Start {
  acked: number
  waiting: number
  olderAck: number
}

function check(isTrue: boolean, what: string): asserts isTrue {
  if (!isTrue) throw new Error(what)
}

function entryOf(seq: number): SeenEntry {
  const name = { seq, sender: SENDER, no: seq }
  const bytes = (seq * 7) % (ENTRY_BYTES_MAX + 1)
  return { seq, bytes, name, entry: { seq, acceptedAtMs: 0, content: undefined } }
}

/** The store, the bus and the device around one session. */
function world(start: Start) {
  let head = start.acked + start.waiting
  let cursor = start.acked
  const gone = new Set<number>()
  let doorbells: { headSeq: number; entries: SeenEntry[] }[] = []
  let fetching: (Action & { do: 'fetch' }) | undefined
  let page: SessionEvent | undefined
  let acking: (Action & { do: 'ack' }) | undefined
  let isAckApplied = false
  let isFetchDue = false
  let isAckDue = false
  // What an older session of the device had in flight when this one opened.
  let olderAck: number | undefined = Math.min(head, start.acked + start.olderAck)
  let position = start.acked
  let unacked: { lastSeq: number; bytes: number }[] = []
  const drainAt = head
  let isDrained = false
  const queries = new Map<number, number>()
  let lastQuery = 0
  let session: Session

  function settle([after, actions]: [Session, Action[]]) {
    session = after
    for (const action of actions) perform(action)
    check(isDrained === position >= drainAt, 'Drained is said once all that was there was pushed')
    check(session.window.items.length <= LIMITS.entriesMax, 'the window holds too many entries')
    const bytes = unacked.reduce((sum, item) => sum + item.bytes, 0)
    check(bytes <= LIMITS.bytesMax, 'the window holds too many bytes')
    for (const [id, headSeq] of queries) check(position < headSeq, `answer ${id} is held too long`)
  }

  const feed = (event: SessionEvent) => settle(next(session, event))

  function push(firstSeq: number, lastSeq: number, bytes: number) {
    check(lastSeq > start.acked, 'pushed up to Welcome.acked_seq')
    // Only what the device has acked in an older session may be skipped.
    check(firstSeq === position + 1 || firstSeq <= cursor + 1, `${firstSeq} after ${position}`)
    check(firstSeq > position, `${firstSeq} is pushed twice`)
    position = lastSeq
    unacked.push({ lastSeq, bytes })
  }

  function perform(action: Action) {
    switch (action.do) {
      case 'deliver':
        check(action.entries.length > 0, 'a delivery of nothing')
        for (const { seq } of action.entries) push(seq, seq, entryOf(seq).bytes)
        return
      case 'missed':
        for (let seq = action.firstSeq; seq <= action.lastSeq; seq++) {
          check(gone.has(seq), `${seq} is there and was told as missed`)
        }
        return push(action.firstSeq, action.lastSeq, 0)
      case 'drained':
        check(!isDrained, 'Drained twice')
        check(action.seq >= drainAt, 'Drained too early')
        position = Math.max(position, Math.min(action.seq, cursor))
        isDrained = true
        return
      case 'status':
        position = Math.max(position, Math.min(session.pushedSeq, cursor))
        check((queries.get(action.status.queryId) ?? 0) <= position, 'a status too early')
        queries.delete(action.status.queryId)
        return
      case 'fetch':
        check(fetching === undefined, 'two fetches at a time')
        check(action.entriesMax > 0, 'a fetch for nothing')
        fetching = action
        return
      case 'fetch-later':
        isFetchDue = true
        return
      case 'ack':
        check(acking === undefined, 'two acks at a time')
        acking = action
        isAckApplied = false
        return
      case 'ack-later':
        isAckDue = true
        return
      case 'end':
        check(false, 'ended')
    }
  }

  function read() {
    if (fetching === undefined || page !== undefined) return
    const after = Math.max(fetching.afterSeq, cursor)
    const rows: SeenEntry[] = []
    for (let seq = after + 1; seq <= head; seq++) if (!gone.has(seq)) rows.push(entryOf(seq))
    const entries = rows.slice(0, fetching.entriesMax)
    const isComplete = entries.length === rows.length
    page = { on: 'fetched', entries, headSeq: head, ackedSeq: cursor, isComplete }
  }

  function answer(isFailure: boolean) {
    if (fetching === undefined) return
    if (!isFailure) read()
    const event: SessionEvent = isFailure || page === undefined ? { on: 'fetch-failed' } : page
    fetching = undefined
    page = undefined
    if (event.on === 'fetched') skipTo(event.ackedSeq)
    feed(event)
  }

  /** What the session learns of the cursor it need not push. */
  function skipTo(ackedSeq: number) {
    unacked = unacked.filter((item) => item.lastSeq > ackedSeq)
    position = Math.max(position, ackedSeq)
  }

  function ackAnswer(isFailure: boolean) {
    if (acking === undefined) return
    if (!isFailure && !isAckApplied) storeAcks()
    acking = undefined
    if (isFailure) return feed({ on: 'ack-failed' })
    skipTo(cursor)
    feed({ on: 'acked', ackedSeq: cursor })
  }

  function storeAcks() {
    if (acking === undefined) return
    check(acking.seq <= head, 'an ack beyond the head')
    const names = new Set(acking.names.map(({ seq }) => seq))
    for (let seq = cursor + 1; seq <= acking.seq; seq++) {
      check(names.has(seq) || gone.has(seq) || seq <= (olderAck ?? cursor), `${seq} has no name`)
    }
    cursor = Math.max(cursor, acking.seq)
    isAckApplied = true
  }

  function append(count: number) {
    const entries = Array.from({ length: count }, (_, index) => entryOf(head + 1 + index))
    head += count
    doorbells.push({ headSeq: head, entries })
  }

  function ring(which: number, isLast: boolean) {
    const doorbell = doorbells[which % doorbells.length]
    if (doorbell === undefined) return
    if (isLast) doorbells = doorbells.filter((other) => other !== doorbell)
    // What has left meanwhile may still arrive by its doorbell; this world keeps it simple.
    const entries = doorbell.entries.some(({ seq }) => gone.has(seq)) ? [] : doorbell.entries
    feed({ on: 'rung', headSeq: doorbell.headSeq, entries })
  }

  function due() {
    if (isFetchDue) {
      isFetchDue = false
      feed({ on: 'fetch-due' })
    }
    if (isAckDue) {
      isAckDue = false
      feed({ on: 'ack-due' })
    }
  }

  function take(taken: Step) {
    switch (taken.do) {
      case 'append':
        return append(taken.count)
      case 'expire': {
        const seq = cursor + 1 + (taken.which % Math.max(1, head - cursor))
        if (seq <= head) gone.add(seq)
        return
      }
      case 'ring':
        return ring(taken.which, taken.isLast)
      case 'ring-empty':
        return feed({ on: 'rung', headSeq: head, entries: [] })
      case 'lose':
        doorbells.splice(taken.which % Math.max(1, doorbells.length), 1)
        return
      case 'read':
        return read()
      case 'answer':
        return answer(taken.isFailure)
      case 'due':
        return due()
      case 'device-acks':
        return feed({ on: 'ack', seq: Math.max(0, position - taken.back), failed: [] })
      case 'store-acks':
        return storeAcks()
      case 'ack-answer':
        return ackAnswer(taken.isFailure)
      case 'older-ack':
        cursor = Math.max(cursor, olderAck ?? 0)
        olderAck = undefined
        return
      case 'query':
        queries.set(++lastQuery, head)
        if (position >= head) queries.set(lastQuery, head)
        return feed({
          on: 'status',
          status: { queryId: lastQuery, recipientAccountId: '', answers: [] },
          askerHeadSeq: head,
        })
    }
  }

  /** Everything answers and the device acks: within a bounded number of rounds all is pushed. */
  function calm() {
    feed({ on: 'rung', headSeq: head, entries: [] })
    for (let round = 0; round < 10 * (head + 5); round++) {
      due()
      answer(false)
      feed({ on: 'ack', seq: position, failed: [] })
      ackAnswer(false)
    }
    check(position === head, `pushed up to ${position} of ${head}`)
    check(cursor === head, `acked up to ${cursor} of ${head}`)
    check(session.at === 'live', 'not live')
    check(isDrained && queries.size === 0, 'something was not said')
    check(session.window.items.length === 0 && session.window.bytes === 0, 'the window leaks')
  }

  const opened = openSession({ ackedSeq: start.acked, headSeq: head }, LIMITS)
  settle(opened)
  return { take, calm }
}

test('every entry is pushed once and in order, or told as missed', () => {
  const start = fc.record({ acked: fc.nat(5), waiting: fc.nat(12), olderAck: fc.nat(4) })
  const steps = fc.array(step, { minLength: 5, maxLength: 60 })
  fc.assert(
    fc.property(start, steps, (begin, taken) => {
      const { take, calm } = world(begin)
      for (const each of taken) take(each)
      calm()
    }),
    { numRuns: 3_000 },
  )
})
