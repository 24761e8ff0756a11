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
import type { Budget } from './budget.ts'
import type { Outcome } from './writes.ts'

/** Before something unknown is repeated, unless the store says otherwise. */
const REPEAT_MS = 100

/** After so much trouble a device should not be back at once. */
const RETRY_AFTER_MS = 1_000

export interface IntakeParts {
  /** Undefined: there was no verdict in time. */
  validate(send: Send): Promise<SendVerdict | undefined>
  append(send: Send, accepted: SendAccepted): Promise<Outcome>
  stored(no: number, acceptedAtMs: number): void
  rejected(rejected: Rejected): void
  /** Ends the session. */
  end(refusal: Refusal): void
  pause(): void
  resume(): void
}

export interface IntakeOptions {
  /** The last send number that the store had accepted when the session opened. */
  readonly sentNo: number
  readonly answerMs: number
  readonly sendsMax: number
  readonly sendBytesMax: number
  /** The whole gateway's. */
  readonly budget: Budget
}

export interface Intake {
  accept(send: Send): void
  /** Resolves once everything accepted so far has its answer, or the intake was closed. */
  idle(): Promise<void>
  close(): void
}

type State =
  | { at: 'validating' }
  | { at: 'accepted'; accepted: SendAccepted; isRepetition: boolean }
  | { at: 'appending'; accepted: SendAccepted; isRepetition: boolean }
  /** It goes again; `isRepetition`: the store may have it. */
  | { at: 'unsettled'; accepted: SendAccepted; isRepetition: boolean }
  | { at: 'stored'; acceptedAtMs: number }
  /** `again`: it goes to the store once more, if something before it is unsettled. */
  | { at: 'refused'; verdict: Omit<SendVerdict, 'id'>; again: SendAccepted | undefined }

interface Pending {
  readonly send: Send
  readonly bytes: number
  readonly since: number
  state: State
}

const ENDS_SESSION: ReadonlySet<RefusalCode> = new Set([
  RefusalCode.UNLINKED,
  RefusalCode.UPGRADE_REQUIRED,
  RefusalCode.REPLACED,
  RefusalCode.EPOCH_CHANGED,
])

export function createIntake(parts: IntakeParts, options: IntakeOptions): Intake {
  const { budget, answerMs } = options
  /** Without an answer, in the order of the sends. */
  const queue: Pending[] = []
  let bytesQueued = 0
  let sentNo = options.sentNo
  /** Something is unsettled: nothing more is appended until all that is in flight is settled. */
  let isSettling = false
  let isClosed = false
  let isPaused = false
  let overdue: NodeJS.Timeout | undefined
  let repeat: NodeJS.Timeout | undefined
  let becameIdle: (() => void)[] = []

  function accept(send: Send) {
    if (isClosed) return
    const pending: Pending = {
      send,
      bytes: sizeOf(send),
      since: performance.now(),
      state: { at: 'validating' },
    }
    queue.push(pending)
    bytesQueued += pending.bytes
    budget.take(pending.bytes)
    overdue ??= setTimeout(watchOldest, answerMs)
    // The store has said so already; and what it has stored, no rule can still refuse.
    if (send.no <= sentNo) pending.state = { at: 'stored', acceptedAtMs: 0 }
    else validate(pending)
    advance()
    pauseIfFull()
  }

  function validate(pending: Pending) {
    void parts.validate(pending.send).then((verdict) => {
      if (isClosed) return
      if (verdict?.outcome?.$case === 'accepted') {
        pending.state = { at: 'accepted', accepted: verdict.outcome.value, isRepetition: false }
      } else if (verdict?.outcome?.$case === 'refusal') {
        pending.state = { at: 'refused', verdict, again: undefined }
      } else {
        // To ask again changes nothing; `watchOldest` bounds it.
        setTimeout(() => !isClosed && validate(pending), REPEAT_MS)
        return
      }
      advance()
    })
  }

  function advance() {
    if (!isSettling) {
      for (const pending of queue) {
        if (pending.state.at === 'validating') break
        if (pending.state.at === 'accepted') append(pending, pending.state)
      }
    }
    while (!isClosed && queue[0] !== undefined && answer(queue[0])) queue.shift()
    resumeIfRoom()
    if (queue.length > 0 || isClosed) return
    for (const resolve of becameIdle) resolve()
    becameIdle = []
  }

  function append(pending: Pending, { accepted, isRepetition }: State & { at: 'accepted' }) {
    pending.state = { at: 'appending', accepted, isRepetition }
    void parts.append(pending.send, accepted).then((outcome) => {
      if (isClosed) return
      if (outcome.$case === 'stored') {
        pending.state = { at: 'stored', acceptedAtMs: outcome.value.acceptedAtMs }
      } else if (outcome.$case === 'refusal') {
        const { value: refusal } = outcome
        if (ENDS_SESSION.has(refusal.code)) return parts.end(refusal)
        if (isRepetition) return parts.end(unavailable('a send could not be settled'))
        const again = refusal.code === RefusalCode.OUT_OF_ORDER ? accepted : undefined
        pending.state = { at: 'refused', verdict: { outcome, roster: undefined }, again }
      } else {
        const isUnknown = outcome.$case !== 'unsent'
        pending.state = { at: 'unsettled', accepted, isRepetition: isRepetition || isUnknown }
        settle(outcome.$case === 'unknown' ? outcome.value.retryAfterMs : REPEAT_MS)
      }
      advance()
    })
  }

  function settle(retryAfterMs: number) {
    isSettling = true
    repeat ??= setTimeout(function repeatUnsettled() {
      repeat = undefined
      if (queue.some(({ state }) => state.at === 'appending')) {
        repeat = setTimeout(repeatUnsettled, REPEAT_MS)
        return
      }
      isSettling = false
      let isBehind = false
      for (const pending of queue) {
        const { state } = pending
        if (state.at === 'unsettled') {
          isBehind = true
          pending.state = { ...state, at: 'accepted' }
        } else if (isBehind && state.at === 'refused' && state.again !== undefined) {
          // Refused for coming before what is unsettled. That was definite: it goes as if for the
          // first time.
          pending.state = { at: 'accepted', accepted: state.again, isRepetition: false }
        }
      }
      advance()
    }, retryAfterMs)
  }

  /** Answers the oldest send, if it can be; true when it was. */
  function answer({ send, bytes, state }: Pending): boolean {
    if (state.at === 'refused' && send.no > sentNo) {
      const refusal = state.verdict.outcome?.value as Refusal
      if (ENDS_SESSION.has(refusal.code)) {
        parts.end(refusal)
        return false
      }
      parts.rejected({ no: send.no, ...refusal, roster: state.verdict.roster })
    } else if (state.at === 'stored' || state.at === 'refused') {
      sentNo = Math.max(sentNo, send.no)
      parts.stored(send.no, state.at === 'stored' ? state.acceptedAtMs : 0)
    } else return false
    bytesQueued -= bytes
    budget.giveBack(bytes)
    return true
  }

  const isFull = () => queue.length >= options.sendsMax || bytesQueued >= options.sendBytesMax

  function pauseIfFull() {
    if (isPaused || isClosed || (!isFull() && !budget.isSpent())) return
    isPaused = true
    parts.pause()
    if (budget.isSpent()) budget.whenRoom(resumeIfRoom)
  }

  function resumeIfRoom() {
    if (!isPaused || isClosed || isFull()) return
    if (budget.isSpent()) return budget.whenRoom(resumeIfRoom)
    isPaused = false
    parts.resume()
  }

  function watchOldest() {
    overdue = undefined
    const [oldest] = queue
    if (oldest === undefined || isClosed) return
    const leftMs = oldest.since + answerMs - performance.now()
    if (leftMs > 0) overdue = setTimeout(watchOldest, leftMs)
    else parts.end(unavailable('a send has no answer'))
  }

  function idle(): Promise<void> {
    if (queue.length === 0 || isClosed) return Promise.resolve()
    return new Promise((resolve) => becameIdle.push(resolve))
  }

  function close() {
    isClosed = true
    clearTimeout(overdue)
    clearTimeout(repeat)
    for (const { bytes } of queue.splice(0)) budget.giveBack(bytes)
    advance()
  }

  return { accept, idle, close }
}

function unavailable(detail: string): Refusal {
  return { code: RefusalCode.UNAVAILABLE, detail, retryAfterMs: RETRY_AFTER_MS }
}

/** Also what the send costs beside its content: many small ones are not free. */
function sizeOf({ ciphertext, parts }: Send): number {
  return parts.reduce((sum, part) => sum + part.ciphertext.length + 64, ciphertext.length + 256)
}
