// What a session asks the store, and how the answers come back to its machine.

import { unary } from '@twotick/chassis'
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

export interface Asking {
  readonly device: DeviceAddress
  readonly epoch: string
  readonly answerMs: number
  /** Aborts with the session. */
  readonly signal: AbortSignal
}

/** A refusal ends the session. Calls that are not answered reject, but for `ack`. */
export type Answered = SessionEvent | { readonly on: 'refused'; readonly refusal: Refusal }

export interface MailboxCalls {
  fetch(page: Action & { do: 'fetch' }): Promise<Answered>
  ack(ack: Action & { do: 'ack' }): Promise<Answered>
  status(query: StatusQuery): Promise<Answered>
}

export function createMailboxCalls(parts: MailboxParts, asking: Asking): MailboxCalls {
  const { store, writes, epochs } = parts
  const { device, epoch, answerMs, signal } = asking
  const options = { deadlineMs: answerMs, signal }
  return {
    async fetch({ afterSeq, entriesMax, bytesMax }) {
      const request = { epoch, device, afterSeq, entriesMax, bytesMax }
      const reply = await unary(store, 'fetch', request, options)
      epochs.meet(reply.epoch)
      const outcome = present(reply.outcome)
      if (outcome.$case === 'refusal') return { on: 'refused', refusal: outcome.value }
      const { entries, headSeq, ackedSeq, isComplete } = outcome.value
      const seen = entries.map((entry) => seenBy(device, entry))
      return { on: 'fetched', entries: seen, headSeq, ackedSeq, isComplete }
    },
    async ack({ seq, failed, names }) {
      const outcome = await writes.ack(epoch, { device, seq, failed, names })
      if (outcome.$case === 'refusal') return { on: 'refused', refusal: outcome.value }
      if (outcome.$case !== 'acked') return { on: 'ack-failed' }
      return { on: 'acked', ackedSeq: outcome.value.ackedSeq }
    },
    async status({ queryId, recipientAccountId, items }) {
      const request = { epoch, asker: device, recipientAccountId, items }
      const reply = await unary(store, 'getStatus', request, options)
      epochs.meet(reply.epoch)
      const outcome = present(reply.outcome)
      if (outcome.$case === 'refusal') return { on: 'refused', refusal: outcome.value }
      const { answers, askerHeadSeq } = outcome.value
      return { on: 'status', status: { queryId, recipientAccountId, answers }, askerHeadSeq }
    },
  }
}

function present<T>(outcome: T | undefined): T {
  if (outcome === undefined) throw new Error('an answer without an outcome')
  return outcome
}
