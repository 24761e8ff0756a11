// The lane of a device's sends: which numbers were accepted, which wait for an answer, and what goes
// on the wire next. Pure: a lane in, a lane out (design: sending, exactly once).
//
// `unanswered` is in number order. Its first `sent` items are on the wire of this session, each with
// the one before it as `prev_no`. A rejection dooms whatever had been sent behind it: those get a
// refusal each, which is ignored, and are sent again. So on the wire lie, in this order, `doomed`
// and then the first `sent` of `unanswered`: answers are matched to that.

import { nextSentTag } from '@twotick/protocol'

export interface LaneItem {
  readonly no: number
  readonly tag: Uint8Array
}

export interface Lane<I extends LaneItem> {
  readonly acceptedNo: number
  readonly acceptedTag: Uint8Array
  readonly unanswered: readonly I[]
  readonly sent: number
  readonly doomed: readonly number[]
}

export function createLane<I extends LaneItem>(
  accepted: { no: number; tag: Uint8Array },
  unanswered: readonly I[],
): Lane<I> {
  return { acceptedNo: accepted.no, acceptedTag: accepted.tag, unanswered, sent: 0, doomed: [] }
}

/** Adds a send behind all others; its number is above all that were ever used. */
export function enqueue<I extends LaneItem>(lane: Lane<I>, item: I): Lane<I> {
  return { ...lane, unanswered: [...lane.unanswered, item] }
}

/** Sends on the wire that have no answer yet, the doomed included. */
export function inFlight(lane: Lane<LaneItem>): number {
  return lane.doomed.length + lane.sent
}

/** Puts the next send on the wire, if there is one. */
export function sendNext<I extends LaneItem>(lane: Lane<I>) {
  const item = lane.unanswered[lane.sent]
  if (item === undefined) return undefined
  const prevNo = lane.unanswered[lane.sent - 1]?.no ?? lane.acceptedNo
  return { lane: { ...lane, sent: lane.sent + 1 }, item, prevNo }
}

function accept<I extends LaneItem>(lane: Lane<I>, count: number) {
  const accepted = lane.unanswered.slice(0, count)
  const next = accepted.reduce(
    (chain, item) => ({ no: item.no, tag: nextSentTag(chain.tag, item.tag) }),
    { no: lane.acceptedNo, tag: lane.acceptedTag },
  )
  const unanswered = lane.unanswered.slice(count)
  const after = { ...lane, acceptedNo: next.no, acceptedTag: next.tag, unanswered }
  return { lane: after, accepted }
}

/**
 * `Stored`: the answer to each send at the head of the wire within the range. Undefined if the head
 * is not one that could be stored: a violation of the protocol.
 */
export function answerStored<I extends LaneItem>(lane: Lane<I>, firstNo: number, lastNo: number) {
  const onWire = lane.unanswered.slice(0, lane.sent)
  const beyond = onWire.findIndex(({ no }) => no < firstNo || no > lastNo)
  const count = beyond === -1 ? onWire.length : beyond
  if (lane.doomed.length > 0 || count === 0) return undefined
  const { lane: after, accepted } = accept(lane, count)
  return { lane: { ...after, sent: lane.sent - count }, accepted }
}

/**
 * `Rejected`: the answer to the send at the head of the wire. `rejected` is missing where the refusal
 * is of a doomed one, which is to be ignored. Undefined: a violation of the protocol.
 */
export function answerRejected<I extends LaneItem>(
  lane: Lane<I>,
  no: number,
): { lane: Lane<I>; rejected?: I } | undefined {
  if (lane.doomed.length > 0) {
    if (lane.doomed[0] !== no) return undefined
    return { lane: { ...lane, doomed: lane.doomed.slice(1) } }
  }
  const rejected = lane.unanswered[0]
  if (lane.sent === 0 || rejected?.no !== no) return undefined
  const doomed = lane.unanswered.slice(1, lane.sent).map((item) => item.no)
  const unanswered = lane.unanswered.slice(1)
  return { lane: { ...lane, unanswered, sent: 0, doomed }, rejected }
}

/** The connection is gone, and with it every answer that had not come. */
export function disconnect<I extends LaneItem>(lane: Lane<I>): Lane<I> {
  return { ...lane, sent: 0, doomed: [] }
}

/** Where the store stands, as `Welcome` says. */
export interface StoreStand {
  readonly sameEpoch: boolean
  readonly sentNo: number
  readonly sentTag: Uint8Array
  readonly lastNo: number // the highest number that this device ever used
}

/**
 * What a Welcome shows as accepted gets its first tick. Under the same epoch the store's number and
 * chain must be those after one of the sends that have no answer, or none of them; else the lane is
 * an old copy of itself: 'forked'. Under a new epoch the numbers go on from what that store holds:
 * an unanswered send at or below it is in its history, because whatever this device sent after it was
 * chained to it.
 */
export function welcome<I extends LaneItem>(
  before: Lane<I>,
  stand: StoreStand,
): { lane: Lane<I>; accepted: readonly I[] } | 'forked' {
  const lane = disconnect(before)
  if (stand.sentNo > stand.lastNo) return 'forked'
  const count = lane.unanswered.filter(({ no }) => no <= stand.sentNo).length
  const result = accept(lane, count)
  if (!stand.sameEpoch) {
    const { sentNo: acceptedNo, sentTag: acceptedTag } = stand
    return { ...result, lane: { ...result.lane, acceptedNo, acceptedTag } }
  }
  const isOwn =
    result.lane.acceptedNo === stand.sentNo && equalBytes(result.lane.acceptedTag, stand.sentTag)
  return isOwn ? result : 'forked'
}

function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}
