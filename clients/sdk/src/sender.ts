// What goes up and its answers: the lane on the wire, the book behind it.

import { type Delivered, type Notice, type Rejected, type Send } from '@twotick/protocol'
import type { Status, Stored, Welcome } from '@twotick/protocol'
import { enterAttempt, enterRejected } from './again.ts'
import { addMessage, type Book, type Entering, type Happening } from './book.ts'
import { ProtocolError } from './errors.ts'
import { answerRejected, answerStored, disconnect, enqueue, inFlight } from './lane.ts'
import { createLane, sendNext, welcome, type Lane } from './lane.ts'
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

interface SenderOptions {
  readonly sending: Sending
  readonly unanswered: readonly LaneSend[]
  readonly book: Book
  readonly announce: (happenings: readonly Happening[]) => void
}

/** What an attempt is made of, before it has its number. */
export type Draft = Omit<Attempt, 'no' | 'messageNo' | 'madeInEpoch'> & { payload: Payload }

export type Sender = ReturnType<typeof createSender>

export function createSender({ sending, unanswered, book, announce }: SenderOptions) {
  let { epoch, lastNo } = sending
  let lane: Lane<LaneSend> = createLane(
    { no: sending.acceptedNo, tag: sending.acceptedTag },
    unanswered,
  )

  function persist(turn: Turn): void {
    const { acceptedNo, acceptedTag } = lane
    turn.put('sending', SELF, { epoch, lastNo, acceptedNo, acceptedTag })
  }

  function enter(turn: Turn, write: (entering: Entering) => void): void {
    const happenings: Happening[] = []
    write({ book, turn, happenings })
    if (happenings.length > 0) turn.after(() => announce(happenings))
  }

  function accept(turn: Turn, accepted: readonly LaneSend[], acceptedAtMs: number): void {
    enter(turn, (entering) => {
      // The book's copy: a second tick may have come before the first.
      for (const { no, attempt } of accepted) {
        enterStored(entering, book.attempts.get(no) ?? attempt, { epoch, acceptedAtMs })
      }
    })
    persist(turn)
  }

  function number(turn: Turn, draft: Draft, messageNo?: number): Attempt {
    const { payload, ...rest } = draft
    lastNo += 1
    const attempt = { ...rest, no: lastNo, messageNo: messageNo ?? lastNo, madeInEpoch: epoch }
    lane = enqueue(lane, { no: attempt.no, tag: attempt.tag, attempt, payload })
    turn.put('payload', numberKey(attempt.no), payload)
    persist(turn)
    return attempt
  }

  return {
    epoch: () => epoch,
    /** Sends that have no answer yet. */
    unansweredCount: () => lane.unanswered.length,

    /** Numbers a new message; returns its number. */
    add(turn: Turn, draft: Draft, message: Omit<OutgoingMessage, 'no' | 'attempts' | 'reach'>) {
      const attempt = number(turn, draft)
      const { no } = attempt
      const waiting = { at: 'waiting', attemptNo: no } as const
      const reach = Object.fromEntries(draft.accounts.map((id) => [id, waiting]))
      enter(turn, (entering) =>
        addMessage(entering, { ...message, no, reach, attempts: [no] }, attempt),
      )
      return no
    },

    /** Numbers one more attempt of a message. */
    addAgain(turn: Turn, wish: Wish, draft: Draft): void {
      const attempt = number(turn, draft, wish.messageNo)
      enter(turn, (entering) => enterAttempt(entering, wish, attempt))
    },

    /** Compares itself with the store, and gives first ticks. */
    welcome(turn: Turn, stand: Welcome): 'forked' | undefined {
      const { sentNo, sentTag } = stand
      const sameEpoch = stand.epoch === epoch
      const result = welcome(lane, { sameEpoch, sentNo, sentTag, lastNo })
      if (result === 'forked') return result
      lane = result.lane
      epoch = stand.epoch
      accept(turn, result.accepted, stand.serverTimeMs)
      return undefined
    },

    stored(turn: Turn, { firstNo, lastNo: last, acceptedAtMs }: Stored): void {
      const result = answerStored(lane, firstNo, last)
      if (!result) throw new ProtocolError(`Stored ${firstNo}-${last} answers no send`)
      lane = result.lane
      accept(turn, result.accepted, acceptedAtMs)
    },

    /** Returns the attempt that was rejected; undefined where the refusal is to be ignored. */
    rejected(turn: Turn, { no, code, detail, retryAfterMs }: Rejected): Attempt | undefined {
      const result = answerRejected(lane, no)
      if (!result) throw new ProtocolError(`Rejected ${no} answers no send`)
      lane = result.lane
      const attempt = result.rejected?.attempt
      if (!attempt) return undefined
      const refusal = { code, detail, retryAfterMs, epoch }
      enter(turn, (entering) => enterRejected(entering, attempt, refusal))
      return attempt
    },

    delivered(turn: Turn, { recipientAccountId, nos }: Delivered): void {
      enter(turn, (entering) => {
        for (const { first, last } of nos) {
          for (let no = first; no <= Math.min(last, lastNo); no += 1) {
            enterDelivered(entering, no, recipientAccountId)
          }
        }
      })
    },

    notice(turn: Turn, notice: Notice): void {
      enter(turn, (entering) => enterNotice(entering, notice))
    },

    status(turn: Turn, { recipientAccountId, answers }: Status): void {
      enter(turn, (entering) => {
        for (const answer of answers)
          enterStatus(entering, recipientAccountId, { ...answer, epoch })
      })
    },

    disconnected(): void {
      lane = disconnect(lane)
    },

    /** Sends what the gateway will take. False: the socket is full, try again in a moment. */
    pump(link: Link, sendsMax: number): boolean {
      while (inFlight(lane) < sendsMax) {
        if (link.bufferedBytes() > BUFFERED_BYTES_MAX) return false
        const next = sendNext(lane)
        if (!next) return true
        lane = next.lane
        link.send({ $case: 'send', value: toFrame(next.item, next.prevNo) })
      }
      return true
    },
  }
}

function toFrame({ attempt, payload }: LaneSend, prevNo: number): Send {
  const { no, tag, to, rosterVersion, type, lifetimeS } = attempt
  const { ciphertext, parts } = payload
  const frame = { no, prevNo, tag, rosterVersion, type, lifetimeS, ciphertext }
  return { ...frame, to: toDestination(to), parts: [...parts] }
}

function toDestination(to: To): NonNullable<Send['to']> {
  return 'account' in to
    ? { to: { $case: 'accountId', value: to.account } }
    : { to: { $case: 'conversationId', value: to.conversation } }
}
