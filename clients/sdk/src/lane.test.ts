import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIRST_SENT_TAG, nextSentTag } from '@twotick/protocol'
import { answerRejected, answerStored, createLane, disconnect, enqueue, inFlight } from './lane.ts'
import { sendNext, welcome, type Lane, type LaneItem } from './lane.ts'

const START = { no: 0, tag: FIRST_SENT_TAG }

function item(no: number): LaneItem {
  return { no, tag: Uint8Array.of(0, 0, 0, 0, 0, 0, no >> 8, no & 0xff) }
}

function laneOf(count: number): Lane<LaneItem> {
  const items = Array.from({ length: count }, (_, index) => item(index + 1))
  return items.reduce((lane, each) => enqueue(lane, each), createLane<LaneItem>(START, []))
}

/** Sends all there is; what went out, as [no, prevNo]. */
function sendAll(from: Lane<LaneItem>) {
  const out: [number, number][] = []
  let lane = from
  for (let next = sendNext(lane); next; next = sendNext(lane)) {
    out.push([next.item.no, next.prevNo])
    lane = next.lane
  }
  return { lane, out }
}

describe('the lane', () => {
  test('chains each send to the one before, and answers in order', () => {
    // Goal: prev_no is the number sent before; a Stored range answers what lies in it.
    const { lane, out } = sendAll(laneOf(3))
    expect(out).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ])
    const after = answerStored(lane, 1, 2)
    expect(after?.accepted.map(({ no }) => no)).toEqual([1, 2])
    expect(after?.lane).toMatchObject({ acceptedNo: 2, sent: 1 })
    expect(after?.lane.acceptedTag).toEqual(
      nextSentTag(nextSentTag(FIRST_SENT_TAG, item(1).tag), item(2).tag),
    )
  })

  test('after a rejection it sends once more what was behind, on the last accepted number', () => {
    // Goal: design §4: refusals of what was sent behind are ignored, the numbers stay the same.
    const first = answerStored(sendAll(laneOf(4)).lane, 1, 1)!.lane
    const second = answerRejected(first, 2)!
    expect(second.rejected?.no).toBe(2)
    const { lane, out } = sendAll(second.lane)
    expect(out).toEqual([
      [3, 1],
      [4, 3],
    ])
    expect(inFlight(lane)).toBe(4)
    const third = answerRejected(lane, 3)!
    expect(third.rejected).toBeUndefined()
    const fourth = answerRejected(third.lane, 4)!
    expect(fourth.rejected).toBeUndefined()
    expect(answerStored(fourth.lane, 3, 4)?.accepted.map(({ no }) => no)).toEqual([3, 4])
  })

  test('an answer to nothing is a violation', () => {
    // Goal: what the gateway may not say is not believed.
    const { lane } = sendAll(laneOf(2))
    expect(answerStored(lane, 2, 2)).toBeUndefined()
    expect(answerRejected(lane, 2)).toBeUndefined()
    expect(answerStored(laneOf(2), 1, 2)).toBeUndefined()
    expect(answerStored(answerRejected(lane, 1)!.lane, 2, 2)).toBeUndefined()
  })

  test('Welcome gives first ticks to what the store has, and finds a copy of an old storage', () => {
    // Goal: sent_no and sent_tag must be those after one of the own sends, or none.
    const { lane } = sendAll(laneOf(3))
    const tagAfter = (count: number) =>
      laneOf(count).unanswered.reduce((tag, each) => nextSentTag(tag, each.tag), FIRST_SENT_TAG)
    const stand = { sameEpoch: true, sentNo: 2, sentTag: tagAfter(2), lastNo: 3 }
    const result = welcome(lane, stand)
    expect(result).not.toBe('forked')
    if (result === 'forked') return
    expect(result.accepted.map(({ no }) => no)).toEqual([1, 2])
    expect(sendAll(result.lane).out).toEqual([[3, 2]])
    expect(welcome(lane, { ...stand, sentTag: tagAfter(3) })).toBe('forked')
    expect(welcome(lane, { ...stand, sentNo: 4 })).toBe('forked')
    const { acceptedNo, acceptedTag } = result.lane
    const others = { ...stand, sentNo: acceptedNo - 1, sentTag: acceptedTag }
    expect(welcome(result.lane, others)).toBe('forked')
    expect(welcome(result.lane, { ...stand, sentNo: 1, sentTag: tagAfter(1) })).toBe('forked')
  })

  test('under a new epoch numbers go on from what the store holds', () => {
    // Goal: after a rollback prev_no is Welcome.sent_no, and nobody is forked for it.
    const stored = answerStored(sendAll(laneOf(4)).lane, 1, 3)!.lane
    const stand = { sameEpoch: false, sentNo: 1, sentTag: item(9).tag, lastNo: 4 }
    const result = welcome(stored, stand)
    if (result === 'forked') throw new Error('forked')
    expect(result.accepted).toEqual([])
    expect(sendAll(result.lane).out).toEqual([[4, 1]])
  })

  test('a number that this device never used is somebody else’s, whatever the epoch', () => {
    // Goal: it would use that number again: the storage is an old copy.
    const stand = { sameEpoch: false, sentNo: 5, sentTag: item(5).tag, lastNo: 4 }
    expect(welcome(laneOf(4), stand)).toBe('forked')
    expect(welcome(laneOf(4), { ...stand, lastNo: 5 })).not.toBe('forked')
  })
})

// ---------------------------------------------------------------- against the store of design §4

interface Store {
  readonly sentNo: number
  readonly sentTag: Uint8Array
  readonly log: readonly number[]
}

type Command = 'enqueue' | 'send' | 'hear' | 'lose' | 'crash' | 'rollback' | 'take' | 'refuse'

/** A device and its store, with what is under way between them; each command is one event. */
function createWorld() {
  let store: Store = { sentNo: 0, sentTag: FIRST_SENT_TAG, log: [] }
  const snapshots: Store[] = [store]
  let lane = createLane<LaneItem>(START, [])
  let lastNo = 0
  let epoch = 1
  let up: { no: number; prevNo: number; tag: Uint8Array }[] = []
  let down: { stored: boolean; no: number }[] = []
  const tickedIn = new Map<number, number>() // number -> epoch of its first tick
  const rejectedIn = new Map<number, number>()

  function take(refuses: boolean): void {
    const send = up.shift()
    if (!send) return
    const isRepeated = send.no <= store.sentNo
    const isRefused = !isRepeated && (send.prevNo !== store.sentNo || refuses)
    if (!isRepeated && !isRefused) {
      const sentTag = nextSentTag(store.sentTag, send.tag)
      store = { sentNo: send.no, sentTag, log: [...store.log, send.no] }
      snapshots.push(store)
    }
    down.push({ stored: !isRefused, no: send.no })
  }

  function tick(accepted: readonly LaneItem[]): void {
    for (const { no } of accepted) {
      expect(tickedIn.has(no) || rejectedIn.has(no)).toBe(false)
      expect(store.log).toContain(no)
      tickedIn.set(no, epoch)
    }
  }

  function hear(): void {
    const answer = down.shift()
    if (!answer) return
    if (answer.stored) {
      const result = answerStored(lane, answer.no, answer.no)!
      lane = result.lane
      tick(result.accepted)
    } else {
      const result = answerRejected(lane, answer.no)!
      lane = result.lane
      if (!result.rejected) return
      expect(store.log).not.toContain(answer.no)
      rejectedIn.set(answer.no, epoch)
    }
  }

  function reconnect(sameEpoch: boolean): void {
    up = []
    down = []
    const result = welcome(lane, { sameEpoch, ...store, lastNo })
    if (result === 'forked') throw new Error('forked')
    lane = result.lane
    tick(result.accepted)
  }

  return {
    run(command: Command, pick: number): void {
      if (command === 'enqueue') lane = enqueue(lane, item((lastNo += 1 + (pick % 2))))
      if (command === 'send') {
        const next = sendNext(lane)
        if (!next) return
        lane = next.lane
        up.push({ no: next.item.no, prevNo: next.prevNo, tag: next.item.tag })
      }
      if (command === 'take' || command === 'refuse') take(command === 'refuse')
      if (command === 'hear') hear()
      if (command === 'lose') reconnect(true)
      if (command === 'crash') {
        const { acceptedNo: no, acceptedTag: tag, unanswered } = lane
        lane = createLane({ no, tag }, unanswered)
        reconnect(true)
      }
      if (command !== 'rollback') return
      store = snapshots[pick % snapshots.length]!
      epoch += 1
      reconnect(false)
    },
    /** Lets everything come through; then nothing may be open, doubled, lost or out of order. */
    finish(): void {
      lane = disconnect(lane)
      reconnect(true)
      while (lane.unanswered.length > 0) {
        this.run('send', 0)
        take(false)
        hear()
      }
      expect(store.log).toEqual([...new Set(store.log)].toSorted((one, other) => one - other))
      for (const [no, at] of tickedIn) if (at === epoch) expect(store.log).toContain(no)
      for (const [no, at] of rejectedIn) if (at === epoch) expect(store.log).not.toContain(no)
    },
  }
}

const COMMANDS: readonly Command[] = ['enqueue', 'send', 'hear', 'take', 'refuse', 'lose', 'crash']

function historyOf(commands: readonly Command[]) {
  const command = fc.record({ command: fc.constantFrom(...commands), pick: fc.nat(50) })
  return fc.array(command, { minLength: 5, maxLength: 60 })
}

describe('the lane against the store', () => {
  test('whatever is refused, lost or interrupted: stored once, in order, each answered', () => {
    // Goal: design §4 exactly once, for any interleaving of answers, rejections and reconnects.
    fc.assert(
      fc.property(historyOf([...COMMANDS, 'enqueue', 'send', 'take', 'hear']), (history) => {
        const world = createWorld()
        for (const { command, pick } of history) world.run(command, pick)
        world.finish()
      }),
      { numRuns: 1_000 },
    )
  })

  test('also when the store is rolled back, any number of times, to any point', () => {
    // Goal: numbers and bytes stay; nothing that has no answer is lost or doubled in a history.
    fc.assert(
      fc.property(historyOf([...COMMANDS, 'rollback', 'enqueue', 'send', 'take']), (history) => {
        const world = createWorld()
        for (const { command, pick } of history) world.run(command, pick)
        world.finish()
      }),
      { numRuns: 1_000 },
    )
  })
})
