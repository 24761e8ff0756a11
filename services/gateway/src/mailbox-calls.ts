// What a session asks the store, and how the answers come back to its machine.

import { unary, type UnaryOptions } from '@twotick/chassis'
import type { DeviceAddress, Refusal, StatusQuery } from '@twotick/protocol'
import type { EnvelopeStoreClient } from '@twotick/protocol/services'
import type { Epochs } from './epoch.ts'
import { seenBy } from './seen.ts'
import type { Action, SessionEvent } from './session.ts'
import type { Writes } from './writes.ts'

export interface MailboxParts {
  readonly store: EnvelopeStoreClient
  readonly writes: Writes
  readonly epochs: Epochs
}

/** A session that asks. */
export interface Asker {
  readonly device: DeviceAddress
  readonly epoch: string
  readonly answerMs: number
  /** The session is over, and its calls with it. */
  isOver: boolean
  callsUnderWay: number
  /** There while a call is under way: for thousands of sessions that have none it would be dear. */
  abort: AbortController | undefined
}

export function createAsker(asker: Pick<Asker, 'device' | 'epoch' | 'answerMs'>): Asker {
  return { ...asker, isOver: false, callsUnderWay: 0, abort: undefined }
}

export function endCalls(asker: Asker): void {
  asker.isOver = true
  asker.abort?.abort()
}

async function call<T>(asker: Asker, ask: (options: UnaryOptions) => Promise<T>): Promise<T> {
  asker.abort ??= new AbortController()
  asker.callsUnderWay++
  try {
    return await ask({ deadlineMs: asker.answerMs, signal: asker.abort.signal })
  } finally {
    asker.callsUnderWay--
    if (asker.callsUnderWay === 0) asker.abort = undefined
  }
}

/** A refusal ends the session. Calls that are not answered reject, but for acks. */
export type Answered = SessionEvent | { readonly on: 'refused'; readonly refusal: Refusal }

export async function fetchPage(
  { store, epochs }: MailboxParts,
  asker: Asker,
  { afterSeq, entriesMax, bytesMax }: Action & { do: 'fetch' },
): Promise<Answered> {
  const { epoch, device } = asker
  const request = { epoch, device, afterSeq, entriesMax, bytesMax }
  const reply = await call(asker, (options) => unary(store, 'fetch', request, options))
  epochs.meet(reply.epoch)
  const outcome = present(reply.outcome)
  if (outcome.$case === 'refusal') return { on: 'refused', refusal: outcome.value }
  const { entries, headSeq, ackedSeq, isComplete } = outcome.value
  const seen = entries.map((entry) => seenBy(device, entry))
  return { on: 'fetched', entries: seen, headSeq, ackedSeq, isComplete }
}

export async function putAck(
  { writes }: MailboxParts,
  { device, epoch }: Asker,
  { seq, failed, names }: Action & { do: 'ack' },
): Promise<Answered> {
  const outcome = await writes.ack(epoch, { id: 0, device, seq, failed, names })
  if (outcome.$case === 'refusal') return { on: 'refused', refusal: outcome.value }
  if (outcome.$case !== 'acked') return { on: 'ack-failed' }
  return { on: 'acked', ackedSeq: outcome.value.ackedSeq }
}

export async function askStatus(
  { store, epochs }: MailboxParts,
  asker: Asker,
  { queryId, recipientAccountId, items }: StatusQuery,
): Promise<Answered> {
  const { epoch, device } = asker
  const request = { epoch, asker: device, recipientAccountId, items }
  const reply = await call(asker, (options) => unary(store, 'getStatus', request, options))
  epochs.meet(reply.epoch)
  const outcome = present(reply.outcome)
  if (outcome.$case === 'refusal') return { on: 'refused', refusal: outcome.value }
  const { answers, askerHeadSeq } = outcome.value
  return { on: 'status', status: { queryId, recipientAccountId, answers }, askerHeadSeq }
}

function present<T>(outcome: T | undefined): T {
  if (outcome === undefined) throw new Error('an answer without an outcome')
  return outcome
}
