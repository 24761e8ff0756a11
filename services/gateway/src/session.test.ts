// Goal: the session machine, transition by transition.

import { RefusalCode } from '@twotick/protocol'
import { describe, expect, test } from 'vitest'
import type { SeenEntry } from './page.ts'
import { type Action, next, openSession, type Session, type SessionEvent } from './session.ts'

const LIMITS = { entriesMax: 4, bytesMax: 1_000 }
const SENDER = { accountId: '00000000-0000-4000-8000-000000000001', deviceId: 1 }

function entry(seq: number, bytes = 10): SeenEntry {
  const name = { seq, sender: SENDER, no: seq }
  return { seq, bytes, name, entry: { seq, acceptedAtMs: 0, content: undefined } }
}

function run(session: Session, ...events: SessionEvent[]): [Session, Action[]] {
  let at = session
  const actions: Action[] = []
  for (const event of events) {
    const [after, more] = next(at, event)
    at = after
    actions.push(...more)
  }
  return [at, actions]
}

function fetched(seqs: number[], headSeq: number, more: Partial<SessionEvent> = {}): SessionEvent {
  const page = { headSeq, ackedSeq: 0, isComplete: true, entries: seqs.map((seq) => entry(seq)) }
  return { on: 'fetched', ...page, ...more } as SessionEvent
}

function rung(headSeq: number, ...seqs: number[]): SessionEvent {
  return { on: 'rung', headSeq, entries: seqs.map((seq) => entry(seq)) }
}

/** Each action in a word, with the seqs it is about. */
function said(actions: Action[]): string[] {
  return actions.map((action) => {
    switch (action.do) {
      case 'deliver':
        return `deliver ${action.entries.map(({ seq }) => seq).join(' ')}`
      case 'missed':
        return `missed ${action.firstSeq}-${action.lastSeq}`
      case 'fetch':
        return `fetch after ${action.afterSeq}`
      case 'ack':
        return `ack ${action.seq}${action.failed.map((seq) => ` !${seq}`).join('')}`
      case 'drained':
        return `drained ${action.seq}`
      case 'status':
        return `status ${action.status.queryId}`
      case 'end':
        return `end ${action.code}`
      default:
        return action.do
    }
  })
}

function opened(ackedSeq: number, headSeq: number): Session {
  return openSession({ ackedSeq, headSeq }, LIMITS)[0]
}

/** A session that has pushed up to `seq` and is live. */
function live(seq: number): Session {
  return run(opened(seq, seq), fetched([], seq, { ackedSeq: seq }))[0]
}

const acked = (ackedSeq: number): SessionEvent => ({ on: 'acked', ackedSeq })
const ack = (seq: number, ...failed: number[]): SessionEvent => ({ on: 'ack', seq, failed })
const status = (queryId: number, askerHeadSeq: number): SessionEvent => ({
  on: 'status',
  askerHeadSeq,
  status: { queryId, recipientAccountId: '', answers: [] },
})

describe('catching up', () => {
  const cases: [name: string, at: Session, events: SessionEvent[], says: string[], at: string][] = [
    ['nothing waits', opened(5, 5), [fetched([], 5)], [], 'live'],
    ['all in one page', opened(0, 2), [fetched([1, 2], 2)], ['deliver 1 2', 'drained 2'], 'live'],
    [
      'a page that is not the last',
      opened(0, 3),
      [fetched([1, 2], 3, { isComplete: false }), fetched([3], 3)],
      ['deliver 1 2', 'fetch after 2', 'deliver 3', 'drained 3'],
      'live',
    ],
    [
      'holes before and between, as far as the window of four goes',
      opened(0, 6),
      [fetched([2, 4], 6)],
      ['missed 1-1', 'deliver 2', 'missed 3-3', 'deliver 4'],
      'catching-up',
    ],
    [
      'a hole behind everything',
      opened(3, 9),
      [fetched([], 9)],
      ['missed 4-9', 'drained 9'],
      'live',
    ],
    [
      'a doorbell while the page is on its way',
      opened(0, 1),
      [rung(2, 2), fetched([1], 1)],
      ['deliver 1', 'drained 1', 'fetch after 1'],
      'catching-up',
    ],
    [
      'a page that does not know what was rung',
      opened(0, 0),
      [rung(1, 1), fetched([], 0), { on: 'fetch-due' }, fetched([1], 1)],
      ['fetch-later', 'fetch after 0', 'deliver 1'],
      'live',
    ],
    [
      'a fetch that fails',
      opened(0, 1),
      [{ on: 'fetch-failed' }, rung(2, 2), { on: 'fetch-due' }],
      ['fetch-later', 'fetch after 0'],
      'catching-up',
    ],
    [
      'a full window, reopened by an ack',
      opened(0, 6),
      [fetched([1, 2, 3, 4, 5], 6, { isComplete: false }), ack(2), acked(2), fetched([5, 6], 6)],
      ['deliver 1 2 3 4', 'ack 2', 'fetch after 4', 'deliver 5 6', 'drained 6'],
      'live',
    ],
    [
      'what an older session has acked meanwhile is not pushed, nor missed',
      opened(0, 5),
      [fetched([4, 5], 5, { ackedSeq: 3 })],
      ['deliver 4 5', 'drained 5'],
      'live',
    ],
  ]
  test.each(cases)('%s', (...[, session, events, says, at]) => {
    const [after, actions] = run(session, ...events)
    expect(said(actions)).toEqual(says)
    expect(after.at).toBe(at)
  })

  test('it begins by fetching, whatever the head was', () => {
    const [, actions] = openSession({ ackedSeq: 7, headSeq: 7 }, LIMITS)
    expect(said(actions)).toEqual(['drained 7', 'fetch after 7'])
    expect(said(openSession({ ackedSeq: 7, headSeq: 9 }, LIMITS)[1])).toEqual(['fetch after 7'])
  })
})

describe('live', () => {
  const cases: [name: string, events: SessionEvent[], says: string[], at: string][] = [
    ['the next seq is pushed straight on', [rung(11, 11)], ['deliver 11'], 'live'],
    ['several that follow', [rung(12, 11, 12)], ['deliver 11 12'], 'live'],
    ['a doorbell that comes twice', [rung(11, 11), rung(11, 11)], ['deliver 11'], 'live'],
    ['a doorbell of long ago', [rung(9, 9)], [], 'live'],
    ['a gap', [rung(12, 12)], ['fetch after 10'], 'catching-up'],
    ['a doorbell without entries', [rung(11)], ['fetch after 10'], 'catching-up'],
    ['part new, part known', [rung(12, 10, 11, 12)], ['deliver 11 12'], 'live'],
    ['a head of reconciliation that says nothing new', [rung(10)], [], 'live'],
    [
      'more than the window takes',
      [rung(15, 11, 12, 13, 14, 15)],
      ['deliver 11 12 13 14'],
      'catching-up',
    ],
    [
      'it reads on only when a quarter of the window is free',
      [rung(15, 11, 12, 13, 14, 15), ack(11), acked(11)],
      ['deliver 11 12 13 14', 'ack 11', 'fetch after 14'],
      'catching-up',
    ],
  ]
  test.each(cases)('%s', (_name, events, says, at) => {
    const [after, actions] = run(live(10), ...events)
    expect(said(actions)).toEqual(says)
    expect(after.at).toBe(at)
  })

  test('the window is also one of bytes, and an empty one takes any one entry', () => {
    const big: SessionEvent = { on: 'rung', headSeq: 12, entries: [entry(11, 2_000), entry(12)] }
    expect(said(run(live(10), big)[1])).toEqual(['deliver 11'])
  })
})

describe('acks', () => {
  const at = run(live(10), rung(13, 11, 12, 13))[0]

  test('one is in flight; what comes meanwhile is merged', () => {
    const [, actions] = run(at, ack(11), ack(12, 12), ack(13, 13), acked(11))
    expect(said(actions)).toEqual(['ack 11', 'ack 13 !12 !13'])
  })

  test('it names what it covers', () => {
    const [, [action]] = run(at, ack(12))
    expect(action).toMatchObject({
      names: [
        { seq: 11, no: 11 },
        { seq: 12, no: 12 },
      ],
    })
  })

  test('one whose outcome is unknown goes again, with what came meanwhile', () => {
    const [, actions] = run(at, ack(11, 11), ack(12), { on: 'ack-failed' }, { on: 'ack-due' })
    expect(said(actions)).toEqual(['ack 11 !11', 'ack-later', 'ack 12 !11'])
  })

  test('while it waits to go again, a new one waits with it', () => {
    const [, actions] = run(at, ack(11), { on: 'ack-failed' }, ack(13), { on: 'ack-due' })
    expect(said(actions)).toEqual(['ack 11', 'ack-later', 'ack 13'])
  })

  test('what is acked already is not sent to the store', () => {
    const [, actions] = run(at, ack(12), acked(12), ack(11), ack(12), ack(3))
    expect(said(actions)).toEqual(['ack 12'])
  })

  test('beyond what was pushed it ends the session', () => {
    expect(said(run(at, ack(14))[1])).toEqual([`end ${RefusalCode.ACK_BEYOND_PUSHED}`])
  })

  test('up to the cursor it is never beyond', () => {
    const [after] = run(opened(0, 9), fetched([], 9, { ackedSeq: 9 }))
    expect(said(run(after, ack(9))[1])).toEqual([])
  })

  test('a failure that is not in the window does not count', () => {
    expect(said(run(at, ack(12, 4, 12, 99))[1])).toEqual(['ack 12 !12'])
  })
})

describe('status answers', () => {
  test('are said at once when everything they rely on was pushed', () => {
    expect(said(run(live(10), status(1, 10))[1])).toEqual(['status 1'])
  })

  test('are held until then, and have the session catch up', () => {
    const [held, actions] = run(live(10), status(1, 12), status(2, 10))
    expect(said(actions)).toEqual(['fetch after 10', 'status 2'])
    expect(said(run(held, fetched([11, 12], 12))[1])).toEqual(['deliver 11 12', 'status 1'])
  })
})
