// The promises that a sent message carries. They live in memory only: after a restart the events and
// the message's state tell the rest.

import type { NoticeKind, RefusalCode } from '@twotick/protocol'
import type { Book, Happening } from './book.ts'
import { RejectedError } from './errors.ts'

/** How a message ended, for each recipient account that it waited for. */
export interface Outcome {
  readonly delivered: readonly string[]
  readonly undelivered: readonly Undelivered[]
}

/** A closing notice's kind, or the code that a resend to this account was rejected with. */
export interface Undelivered {
  readonly accountId: string
  readonly kind?: NoticeKind
  readonly code?: RefusalCode
}

/** A message that is durable in the outbox. */
export interface SentMessage {
  /** Its send number; with this device's address it is the message's name. */
  readonly no: number
  /** Of the trace that was asked for, 32 hexadecimal characters. */
  readonly traceId?: string
  /** First tick. Rejects with RejectedError, or with StoppedError. */
  readonly stored: Promise<{ readonly acceptedAtMs: number }>
  /** Resolves when the second tick is settled for every recipient account, one way or the other. */
  readonly delivered: Promise<Outcome>
}

interface Deferred {
  readonly stored: PromiseWithResolvers<{ readonly acceptedAtMs: number }>
  readonly delivered: PromiseWithResolvers<Outcome>
}

export function createPromises(book: Book) {
  const open = new Map<number, Deferred>()

  function reject(no: number, error: Error): void {
    open.get(no)?.stored.reject(error)
    open.get(no)?.delivered.reject(error)
    open.delete(no)
  }

  return {
    track(no: number): SentMessage {
      const stored = Promise.withResolvers<{ readonly acceptedAtMs: number }>()
      const delivered = Promise.withResolvers<Outcome>()
      open.set(no, { stored, delivered })
      // Nobody needs to wait for them: a rejection is an event as well.
      stored.promise.catch(() => undefined)
      delivered.promise.catch(() => undefined)
      const traceId = book.messages.get(no)?.traceId
      const promises = { stored: stored.promise, delivered: delivered.promise }
      return { no, ...promises, ...(traceId !== undefined && { traceId }) }
    },

    settle(happening: Happening): void {
      const { no } = happening
      if (happening.type === 'stored') open.get(no)?.stored.resolve(happening)
      if (happening.type === 'rejected') reject(no, new RejectedError(no, happening.rejection))
      if (happening.type === 'done') {
        open.get(no)?.delivered.resolve(outcomeOf(book, no))
        open.delete(no)
      }
    },

    stop(error: Error): void {
      for (const no of [...open.keys()]) reject(no, error)
    },
  }
}

function outcomeOf(book: Book, no: number): Outcome {
  const reaches = Object.entries(book.messages.get(no)?.reach ?? {})
  const delivered = reaches.filter(([, { at }]) => at === 'delivered').map(([id]) => id)
  const undelivered = reaches.flatMap(([accountId, reach]): Undelivered[] => {
    if (reach.at === 'closed') return [{ accountId, kind: reach.kind }]
    return reach.at === 'rejected' ? [{ accountId, code: reach.code }] : []
  })
  return { delivered, undelivered }
}
