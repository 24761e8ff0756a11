// What goes up and its answers: the lane on the wire, the book behind it.

import type { Delivered, Notice, Rejected, Send, Status, Stored, Welcome } from '@twotick/protocol'
import { enterAttempt, enterRejected } from './again.ts'
import { addMessage, type Book, type Entering, type Happening } from './book.ts'
import { ProtocolError } from './errors.ts'
import { answerRejected, answerStored, createLane, disconnect, enqueue, inFlight } from './lane.ts'
import { sendNext, welcome, type Lane } from './lane.ts'
import type { Link } from './link.ts'
import { numberKey, SELF, type Attempt, type OutgoingMessage } from './storage.ts'
import type { Payload, Sending, To, Wish } from './storage.ts'
import { enterDelivered, enterNotice, enterStatus, enterStored } from './ticks.ts'
import type { Turn } from './turn.ts'

const BUFFERED_BYTES_MAX = 1024 * 1024

/** An attempt on its way, with the bytes that it is sent with, and sent again with. */
export interface LaneSend {
  readonly no: number
  readonly tag: Uint8Array
  readonly attempt: Attempt
  readonly payload: Payload
}

/** What an attempt is made of, before it has its number. */
export type Draft = Omit<Attempt, 'no' | 'messageNo' | 'madeInEpoch'> & { payload: Payload }

/** A message, before it has its number. */
export type NewMessage = Omit<OutgoingMessage, 'no' | 'attempts' | 'reach'>

interface SenderOptions {
  readonly sending: Sending
  readonly unanswered: readonly LaneSend[]
  readonly book: Book
  readonly announce: (happenings: readonly Happening[]) => void
}

interface State {
  readonly book: Book
  readonly announce: (happenings: readonly Happening[]) => void
  epoch: string
  lastNo: number
  lane: Lane<LaneSend>
}

export type Sender = ReturnType<typeof createSender>

export function createSender({ sending, unanswered, book, announce }: SenderOptions) {
  const { epoch, lastNo, acceptedNo: no, acceptedTag: tag } = sending
  const state: State = { book, announce, epoch, lastNo, lane: createLane({ no, tag }, unanswered) }
  return {
    epoch: () => state.epoch,
    /** Sends that have no answer yet. */
    unansweredCount: () => state.lane.unanswered.length,
    /** The relay owes an answer. */
    isWaiting: () => inFlight(state.lane) > 0,
    disconnected: () => void (state.lane = disconnect(state.lane)),
    /** Sends what the gateway will take. False: the socket is full, try again in a moment. */
    pump: (link: Link, sendsMax: number) => pump(state, link, sendsMax),
    ...numbering(state),
    ...answers(state),
    ...reports(state),
  }
}

function persist({ epoch, lastNo, lane }: State, turn: Turn): void {
  const { acceptedNo, acceptedTag } = lane
  turn.put('sending', SELF, { epoch, lastNo, acceptedNo, acceptedTag })
}

function enter(state: State, turn: Turn, write: (entering: Entering) => void): void {
  const happenings: Happening[] = []
  write({ book: state.book, turn, happenings })
  if (happenings.length > 0) turn.after(() => state.announce(happenings))
}

/** Numbers: durable before the first byte is sent, one above all that were ever used. */
function numbering(state: State) {
  function number(turn: Turn, draft: Draft, messageNo?: number): Attempt {
    const { payload, ...rest } = draft
    state.lastNo += 1
    const no = state.lastNo
    const attempt = { ...rest, no, messageNo: messageNo ?? no, madeInEpoch: state.epoch }
    state.lane = enqueue(state.lane, { no, tag: attempt.tag, attempt, payload })
    turn.put('payload', numberKey(no), payload)
    persist(state, turn)
    return attempt
  }

  return {
    /** Numbers a new message; returns its number. */
    add(turn: Turn, draft: Draft, message: NewMessage): number {
      const attempt = number(turn, draft)
      const { no } = attempt
      const waiting = { at: 'waiting', attemptNo: no } as const
      const reach = Object.fromEntries(draft.accounts.map((id) => [id, waiting]))
      const numbered = { ...message, no, reach, attempts: [no] }
      enter(state, turn, (entering) => addMessage(entering, numbered, attempt))
      return no
    },

    /** Numbers one more attempt of a message. */
    addAgain(turn: Turn, wish: Wish, draft: Draft): void {
      const attempt = number(turn, draft, wish.messageNo)
      enter(state, turn, (entering) => enterAttempt(entering, wish, attempt))
    },
  }
}

/** What settles the lane: `Welcome`, `Stored`, `Rejected`. */
function answers(state: State) {
  function accept(turn: Turn, accepted: readonly LaneSend[], acceptedAtMs: number): void {
    const { epoch, book } = state
    enter(state, turn, (entering) => {
      for (const { no, attempt } of accepted) {
        enterStored(entering, book.attempts.get(no) ?? attempt, { epoch, acceptedAtMs })
      }
    })
    persist(state, turn)
  }

  return {
    /** Compares itself with the store, and gives first ticks. */
    welcome(turn: Turn, stand: Welcome): 'forked' | undefined {
      const { sentNo, sentTag } = stand
      const sameEpoch = stand.epoch === state.epoch
      const { lastNo } = state
      const result = welcome(state.lane, { sameEpoch, sentNo, sentTag, lastNo })
      if (result === 'forked') return result
      state.lane = result.lane
      state.epoch = stand.epoch
      accept(turn, result.accepted, stand.serverTimeMs)
      return undefined
    },

    stored(turn: Turn, { firstNo, lastNo, acceptedAtMs }: Stored): void {
      const result = answerStored(state.lane, firstNo, lastNo)
      if (!result) throw new ProtocolError(`Stored ${firstNo}-${lastNo} answers no send`)
      state.lane = result.lane
      accept(turn, result.accepted, acceptedAtMs)
    },

    /** Returns the attempt that was rejected; undefined where the refusal is to be ignored. */
    rejected(turn: Turn, { no, code, detail, retryAfterMs }: Rejected): Attempt | undefined {
      const result = answerRejected(state.lane, no)
      if (!result) throw new ProtocolError(`Rejected ${no} answers no send`)
      state.lane = result.lane
      const attempt = result.rejected?.attempt
      if (!attempt) return undefined
      const refusal = { code, detail, retryAfterMs, epoch: state.epoch }
      enter(state, turn, (entering) => enterRejected(entering, attempt, refusal))
      return attempt
    },
  }
}

/** What becomes of a send later. */
function reports(state: State) {
  return {
    delivered(turn: Turn, { recipientAccountId, nos }: Delivered): void {
      enter(state, turn, (entering) => {
        for (const { first, last } of nos) {
          for (let no = first; no <= Math.min(last, state.lastNo); no += 1) {
            enterDelivered(entering, no, recipientAccountId)
          }
        }
      })
    },

    notice(turn: Turn, notice: Notice): void {
      enter(state, turn, (entering) => enterNotice(entering, notice))
    },

    status(turn: Turn, { recipientAccountId, answers }: Status): void {
      const { epoch } = state
      enter(state, turn, (entering) => {
        for (const answer of answers)
          enterStatus(entering, recipientAccountId, { ...answer, epoch })
      })
    },
  }
}

function pump(state: State, link: Link, sendsMax: number): boolean {
  while (inFlight(state.lane) < sendsMax) {
    if (link.bufferedBytes() > BUFFERED_BYTES_MAX) return false
    const next = sendNext(state.lane)
    if (!next) return true
    state.lane = next.lane
    link.send({ $case: 'send', value: toFrame(next.item, next.prevNo) })
  }
  return true
}

function toFrame({ attempt, payload }: LaneSend, prevNo: number): Send {
  const { no, tag, to, rosterVersion, type, lifetimeS, trace } = attempt
  const { ciphertext, parts } = payload
  const frame = { no, prevNo, tag, rosterVersion, type, lifetimeS, ciphertext }
  return { ...frame, to: toDestination(to), parts: [...parts], ...(trace && { trace }) }
}

function toDestination(to: To): NonNullable<Send['to']> {
  return 'account' in to
    ? { to: { $case: 'accountId', value: to.account } }
    : { to: { $case: 'conversationId', value: to.conversation } }
}
