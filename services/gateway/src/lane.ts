// The lane of one session's sends: what each of them is waiting for, and what may happen next.
//
//   held -> validating -> accepted -> appending -> stored
//                |                        |-> refused
//                |-> refused              |-> unsettled -> accepted (again)
//
// `held` is one for which the gateway has no place at the services yet (budget.ts).
// `unsettled` is an append of which it is unknown whether it was committed, or that never got to the
// store. While there is one, nothing more is appended; then it goes again with what is behind it.

import { type Refusal, RefusalCode, type Rejected, Send } from '@twotick/protocol'
import type { SendAccepted, SendVerdict } from '@twotick/protocol/services'
import type { Passage } from './budget.ts'
import type { Outcome } from './writes.ts'

/** `isRepetition`: the store may have it already. */
type OnItsWay = { readonly accepted: SendAccepted; readonly isRepetition: boolean }

export type SendState =
  | { readonly at: 'held' | 'validating' }
  | ({ readonly at: 'accepted' | 'appending' | 'unsettled' } & OnItsWay)
  | { readonly at: 'stored'; readonly acceptedAtMs: number }
  | {
      readonly at: 'refused'
      readonly refusal: Refusal
      readonly roster: SendVerdict['roster']
      /** It goes to the store once more, if something before it is unsettled. */
      readonly again: SendAccepted | undefined
    }

export interface LaneSend {
  readonly send: Send
  readonly bytes: number
  /** When it came (performance.now()). */
  readonly since: number
  /** When it was passed on to the services. */
  passedAt: number | undefined
  state: SendState
}

const READ_ALONG_MAX = 8_192

/** A send that has just come; `sentNo` is what the store is known to have. */
export function laneSend(send: Send, sentNo: number): LaneSend {
  // What the store has said to have is answered without asking anybody.
  const isStored = send.no <= sentNo
  const state: SendState = isStored ? { at: 'stored', acceptedAtMs: 0 } : { at: 'held' }
  const bytes = sizeOf(send)
  const kept = holdsMuchElse(send, bytes) ? Send.decode(Send.encode(send).finish()) : send
  return { send: kept, bytes, since: performance.now(), passedAt: undefined, state }
}

/**
 * Its bytes are a view of all that was read with it: other frames of its device, and what a frame has
 * of unknown fields. That would be kept as long as the send, and not be counted.
 */
function holdsMuchElse({ tag }: Send, bytes: number): boolean {
  return tag.buffer.byteLength > READ_ALONG_MAX + 4 * bytes
}

/** It has its place at the services: it is being validated from now on. */
export function passOn(one: LaneSend): void {
  one.state = { at: 'validating' }
  one.passedAt ??= performance.now()
}

/** How it went with its place, if it had one. */
export function passageOf({ passedAt }: LaneSend, isAnswered: boolean): Passage | undefined {
  return passedAt === undefined ? undefined : { tookMs: performance.now() - passedAt, isAnswered }
}

/** Also what the send costs beside its content: many small ones are not free. */
function sizeOf({ ciphertext, parts }: Send): number {
  return parts.reduce((sum, part) => sum + part.ciphertext.length + 64, ciphertext.length + 256)
}

const ENDS_SESSION: ReadonlySet<RefusalCode> = new Set([
  RefusalCode.UNLINKED,
  RefusalCode.UPGRADE_REQUIRED,
  RefusalCode.REPLACED,
  RefusalCode.EPOCH_CHANGED,
])

function endsSession({ code }: Refusal): boolean {
  return ENDS_SESSION.has(code)
}

/** After the validation; undefined: it has said nothing, and is asked again. */
export function afterVerdict(verdict: SendVerdict | undefined): SendState | undefined {
  if (verdict?.outcome?.$case === 'accepted') {
    return { at: 'accepted', accepted: verdict.outcome.value, isRepetition: false }
  }
  if (verdict?.outcome?.$case !== 'refusal') return undefined
  const { roster, outcome } = verdict
  return { at: 'refused', refusal: outcome.value, roster, again: undefined }
}

/**
 * After the store. A refusal is definite, except of a repetition: the store may have committed it the
 * first time. Then nobody can say, and the session has to end.
 */
export function afterOutcome(
  { accepted, isRepetition }: OnItsWay,
  outcome: Outcome,
): SendState | 'lost' {
  switch (outcome.$case) {
    case 'stored':
      return { at: 'stored', acceptedAtMs: outcome.value.acceptedAtMs }
    case 'refusal': {
      const refusal = outcome.value
      if (isRepetition && !endsSession(refusal)) return 'lost'
      const again = refusal.code === RefusalCode.OUT_OF_ORDER ? accepted : undefined
      return { at: 'refused', refusal, roster: undefined, again }
    }
    case 'unsent':
      return { at: 'unsettled', accepted, isRepetition }
    default:
      return { at: 'unsettled', accepted, isRepetition: true }
  }
}

const NONE: readonly LaneSend[] = []

/** What goes to the store now, in order: nothing passes one that has no verdict yet. */
export function appendable(lane: readonly LaneSend[]): readonly LaneSend[] {
  if (!lane.some(({ state }) => state.at === 'accepted')) return NONE
  if (lane.some(({ state }) => state.at === 'unsettled')) return NONE
  const found: LaneSend[] = []
  for (const each of lane) {
    if (each.state.at === 'held' || each.state.at === 'validating') break
    if (each.state.at === 'accepted') found.push(each)
  }
  return found
}

/** What the oldest send is answered: with a tick, a rejection, or the end of the session. */
export type Answer =
  | { readonly is: 'stored'; readonly no: number; readonly acceptedAtMs: number }
  | { readonly is: 'rejected'; readonly rejected: Rejected }
  | { readonly is: 'end'; readonly refusal: Refusal }

/** Undefined: it cannot be answered yet. `sentNo` is what the store is known to have. */
export function answerOf({ send, state }: LaneSend, sentNo: number): Answer | undefined {
  const { no } = send
  if (state.at === 'stored') return { is: 'stored', no, acceptedAtMs: state.acceptedAtMs }
  if (state.at !== 'refused') return undefined
  const { refusal, roster } = state
  if (endsSession(refusal)) return { is: 'end', refusal }
  // What the store has stored, no rule can still refuse.
  if (no <= sentNo) return { is: 'stored', no, acceptedAtMs: 0 }
  return { is: 'rejected', rejected: { no, ...refusal, roster } }
}

/**
 * Has what is unsettled go again, with what the store refused only because it came before that. (The
 * refusal was definite, so that one goes as if for the first time.) False: something is still on its
 * way, and must be known first, so that the order is kept.
 */
export function unsettle(lane: readonly LaneSend[]): boolean {
  if (lane.some(({ state }) => state.at === 'appending')) return false
  let isBehind = false
  for (const each of lane) {
    const { state } = each
    if (state.at === 'unsettled') {
      isBehind = true
      each.state = { ...state, at: 'accepted' }
    } else if (isBehind && state.at === 'refused' && state.again !== undefined) {
      each.state = { at: 'accepted', accepted: state.again, isRepetition: false }
    }
  }
  return true
}
