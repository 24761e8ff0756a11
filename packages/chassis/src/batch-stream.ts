// A batch stream: one bidirectional gRPC stream, kept open, on which many small questions travel in
// frames and come back as verdicts by number.
//
//   waiting --(back-off)--> opening --(the server's metadata)--> open --(any end)--> waiting
//
// What is asked within one turn of the event loop goes into one frame: an idle stream sends at once,
// a busy one batches by itself. Until the stream is open, questions wait in the queue. When it breaks,
// everything, asked or still queued, is rejected in its order: what was sent with an unknown outcome,
// what was not with `hadNoEffect`. So nothing overtakes, and who asked decides what to repeat.
//
// Bounds: questions in flight, their bytes, and a deadline for each.

import { setImmediate as nextTurn } from 'node:timers'
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import { backoffMs, Failure } from './failure.ts'
import { callFailure } from './grpc-client.ts'
import type { Logger } from './log.ts'

const FRAME_BYTES_MAX = 1_048_576
const BACKOFF = { firstMs: 20, maxMs: 1_000 }

/** A question with the number that its verdict will carry. */
export interface Numbered<Item> {
  readonly id: number
  readonly item: Item
}

export interface BatchStreamOptions<Item, Request, Reply, Verdict extends { readonly id: number }> {
  /** Opens a stream: `() => store.write()`. */
  open(): ClientDuplexStream<Request, Reply>
  /** Makes the frames of some questions, in their order; usually one. */
  frames(items: readonly Numbered<Item>[]): readonly Request[]
  verdicts(reply: Reply): readonly Verdict[]
  /** About how many bytes a question has on the wire; it must not reach the 8 MiB of a message. */
  bytes(item: Item): number
  readonly deadlineMs: number
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
  readonly log: Logger
}

export interface BatchStream<Item, Verdict> {
  /**
   * Asks. Rejects with a Failure: RESOURCE_EXHAUSTED at a bound, UNAVAILABLE when the stream broke,
   * DEADLINE_EXCEEDED without a verdict in time; its `hadNoEffect` says if it was surely not sent.
   */
  send(item: Item): Promise<Verdict>
  /** Ends the stream; what is in flight is rejected. */
  close(): void
}

interface Question<Item, Verdict> extends Numbered<Item> {
  readonly bytes: number
  readonly expiresAt: number
  readonly resolve: (verdict: Verdict) => void
  readonly reject: (failure: Failure) => void
  isSent: boolean
}

type State<Request, Reply> =
  | { readonly at: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly at: 'opening' | 'open'; readonly stream: ClientDuplexStream<Request, Reply> }
  | { readonly at: 'closed' }

export function batchStream<Item, Request, Reply, Verdict extends { readonly id: number }>(
  options: BatchStreamOptions<Item, Request, Reply, Verdict>,
): BatchStream<Item, Verdict> {
  // All without a verdict, oldest first; `queued` are those of them that were not sent yet.
  const inFlight = new Map<number, Question<Item, Verdict>>()
  let queued: Question<Item, Verdict>[] = []
  let inFlightBytes = 0
  let lastId = 0
  // Consecutive streams that ended before they were open.
  let failedAttempts = 0
  let isFlushPlanned = false
  // Armed for the oldest question while there is one.
  let deadline: NodeJS.Timeout | undefined
  let state: State<Request, Reply> = openStream()

  function openStream(): State<Request, Reply> {
    const stream = options.open()
    stream.once('metadata', () => {
      if (state.at !== 'opening' || state.stream !== stream) return
      failedAttempts = 0
      state = { at: 'open', stream }
      flush()
    })
    stream.on('data', (reply: Reply) => {
      for (const verdict of options.verdicts(reply)) take(verdict.id)?.resolve(verdict)
    })
    stream.once('end', () => broke(stream, new Failure('UNAVAILABLE', 'the stream was ended')))
    stream.on('error', (error: ServiceError) => broke(stream, callFailure(error)))
    return { at: 'opening', stream }
  }

  function broke(stream: ClientDuplexStream<Request, Reply>, failure: Failure) {
    if (!('stream' in state) || state.stream !== stream) return
    failedAttempts += 1
    if (failedAttempts === 1) options.log.warn({ reason: failure.message }, 'batch stream broke')
    const delayMs = backoffMs(failedAttempts, BACKOFF)
    state = { at: 'waiting', timer: setTimeout(() => (state = openStream()), delayMs) }
    stream.cancel()
    rejectAll(failure)
  }

  function rejectAll({ code, message }: Failure) {
    queued = []
    for (const { id, isSent } of [...inFlight.values()]) {
      take(id)?.reject(new Failure(code, message, { hadNoEffect: !isSent }))
    }
  }

  function take(id: number): Question<Item, Verdict> | undefined {
    const question = inFlight.get(id)
    if (question === undefined) return undefined
    inFlight.delete(id)
    inFlightBytes -= question.bytes
    return question
  }

  function flush() {
    isFlushPlanned = false
    if (state.at !== 'open') return
    for (const batch of inFrames(queued)) {
      for (const question of batch) question.isSent = true
      for (const frame of options.frames(batch)) state.stream.write(frame)
    }
    queued = []
  }

  function planFlush() {
    if (isFlushPlanned) return
    isFlushPlanned = true
    nextTurn(flush)
  }

  function watchOldest() {
    if (deadline !== undefined) return
    const [oldest] = inFlight.values()
    if (oldest === undefined) return
    deadline = setTimeout(expire, Math.max(1, oldest.expiresAt - Date.now()))
  }

  function expire() {
    deadline = undefined
    const now = Date.now()
    for (const { id, isSent, expiresAt } of inFlight.values()) {
      if (expiresAt > now) break
      if (!isSent) queued = queued.filter((question) => question.id !== id)
      take(id)?.reject(
        new Failure('DEADLINE_EXCEEDED', 'no verdict in time', { hadNoEffect: !isSent }),
      )
    }
    watchOldest()
  }

  return {
    send(item) {
      const bytes = options.bytes(item)
      if (state.at === 'closed') return refused('UNAVAILABLE', 'the stream is closed')
      if (
        inFlight.size >= options.inFlightMax ||
        inFlightBytes + bytes > options.inFlightBytesMax
      ) {
        return refused('RESOURCE_EXHAUSTED', 'too much is in flight')
      }
      return new Promise((resolve, reject) => {
        const expiresAt = Date.now() + options.deadlineMs
        const question = { id: ++lastId, item, bytes, expiresAt, resolve, reject, isSent: false }
        inFlight.set(question.id, question)
        inFlightBytes += bytes
        queued.push(question)
        watchOldest()
        planFlush()
      })
    },
    close() {
      if (state.at === 'waiting') clearTimeout(state.timer)
      const stream = 'stream' in state ? state.stream : undefined
      state = { at: 'closed' }
      stream?.cancel()
      rejectAll(new Failure('UNAVAILABLE', 'the stream is closed'))
      clearTimeout(deadline)
    },
  }
}

function refused(code: 'UNAVAILABLE' | 'RESOURCE_EXHAUSTED', message: string): Promise<never> {
  return Promise.reject(new Failure(code, message, { hadNoEffect: true }))
}

/** Splits by bytes, well below what one message may have. */
function inFrames<Q extends { readonly bytes: number }>(questions: readonly Q[]): Q[][] {
  const batches: Q[][] = []
  let bytes = FRAME_BYTES_MAX
  for (const question of questions) {
    bytes += question.bytes
    const batch = bytes > FRAME_BYTES_MAX ? undefined : batches.at(-1)
    if (batch === undefined) {
      batches.push([question])
      bytes = question.bytes
    } else batch.push(question)
  }
  return batches
}
