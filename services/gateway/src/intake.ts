// What one session sends, in one lane from its socket to the store. Each send is validated, then
// appended, then answered; many may be on their way, but
//
//   - a send goes to the store only after those before it went there or were refused;
//   - answers go out one for each send, in the order of the sends;
//   - what the store did with an append that has no answer is unknown: the same bytes go again,
//     earlier ones first, and only `Stored` may answer them. Any refusal then ends the session, as
//     the send may be stored all the same; the next session's `Welcome` settles it.
//
// It is bounded: beyond the bounds of the session or of the whole gateway its socket is not read.

import { type Refusal, RefusalCode, type Rejected, type Send } from '@twotick/protocol'
import type { SendAccepted, SendVerdict } from '@twotick/protocol/services'
import {
  afterOutcome,
  afterVerdict,
  type Answer,
  answerOf,
  appendable,
  type LaneSend,
  laneSend,
  passOn,
  unsettle,
} from './lane.ts'
import { createPatience } from './patience.ts'
import { createSendQueue, type SendBounds } from './send-queue.ts'
import type { Outcome } from './writes.ts'

/** Before something unsettled goes again, unless the store says otherwise. */
const REPEAT_MS = 100

/** After so much trouble a device should not be back at once. */
const RETRY_AFTER_MS = 1_000

export interface IntakeParts {
  /** Undefined: there was no verdict in time. */
  validate(send: Send): Promise<SendVerdict | undefined>
  append(send: Send, accepted: SendAccepted): Promise<Outcome>
  /** `since` is when it came (performance.now()). */
  stored(no: number, acceptedAtMs: number, since: number): void
  rejected(rejected: Rejected): void
  /** Ends the session. */
  end(refusal: Refusal): void
  pause(): void
  resume(): void
}

export interface IntakeOptions extends SendBounds {
  /** The last send number that the store had accepted when the session opened. */
  readonly sentNo: number
  /** How long the device waits for an answer, or the end of the session (patience.ts). */
  readonly answerMs: number
}

export interface Intake {
  accept(send: Send): void
  /** Resolves once everything accepted so far has its answer, or the intake was closed. */
  idle(): Promise<void>
  close(): void
}

export function createIntake(parts: IntakeParts, options: IntakeOptions): Intake {
  const queue = createSendQueue(options, { ...parts, passOn: (one) => void validate(one) })
  const { lane } = queue
  const patience = createPatience(lane, options.answerMs, () =>
    parts.end(unavailable('a send has no answer')),
  )
  let sentNo = options.sentNo
  let isClosed = false
  let repeat: NodeJS.Timeout | undefined

  async function validate(one: LaneSend): Promise<void> {
    passOn(one)
    const state = afterVerdict(await parts.validate(one.send))
    // To ask again changes nothing; the patience bounds it.
    if (state !== undefined) one.state = state
    else if (!isClosed) setTimeout(() => isClosed || validate(one), REPEAT_MS)
    advance()
  }

  async function append(one: LaneSend): Promise<void> {
    if (one.state.at !== 'accepted') return
    const onItsWay = one.state
    one.state = { ...onItsWay, at: 'appending' }
    const outcome = await parts.append(one.send, onItsWay.accepted)
    const state = afterOutcome(onItsWay, outcome)
    if (state === 'lost') return parts.end(unavailable('a send could not be settled'))
    one.state = state
    if (state.at === 'unsettled' && !isClosed) repeat ??= setTimeout(goAgain, delayOf(outcome))
    advance()
  }

  function goAgain() {
    repeat = unsettle(lane) ? undefined : setTimeout(goAgain, REPEAT_MS)
    advance()
  }

  function advance() {
    for (const one of appendable(lane)) void append(one)
    for (let [oldest] = lane; oldest !== undefined; [oldest] = lane) {
      const answer = answerOf(oldest, sentNo)
      if (answer === undefined) break
      say(answer, oldest.since)
      patience.answered()
      queue.leave()
    }
  }

  function say(answer: Answer, since: number) {
    if (answer.is === 'end') return parts.end(answer.refusal)
    if (answer.is === 'rejected') return parts.rejected(answer.rejected)
    sentNo = Math.max(sentNo, answer.no)
    parts.stored(answer.no, answer.acceptedAtMs, since)
  }

  return {
    accept(send) {
      if (isClosed) return
      const one = laneSend(send, sentNo)
      if (!queue.enter(one)) return parts.end(unavailable('too much has no answer'))
      patience.begin()
      if (one.state.at === 'stored') advance()
    },
    idle: queue.empty,
    close() {
      isClosed = true
      patience.end()
      clearTimeout(repeat)
      queue.clear()
    },
  }
}

function delayOf(outcome: Outcome): number {
  return outcome.$case === 'unknown' ? outcome.value.retryAfterMs : REPEAT_MS
}

function unavailable(detail: string): Refusal {
  return { code: RefusalCode.UNAVAILABLE, detail, retryAfterMs: RETRY_AFTER_MS }
}
