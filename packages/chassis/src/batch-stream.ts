// A batch stream: one bidirectional gRPC stream, kept open, on which many small questions travel in
// frames and come back as verdicts by number.
//
// What is asked within one turn of the event loop goes into one frame: an idle stream sends at once,
// a busy one batches by itself, the more so where a frame waits for the one before. A few that can wait
// do so for a moment after the last frame, to go along with one that cannot. Until the stream is open,
// questions wait. When it breaks, every one, sent or still waiting, is rejected in its order: what was
// sent with an unknown outcome, what was not with `hadNoEffect`. So nothing overtakes, and who asked
// decides what to repeat. (What has no verdict by its deadline is rejected alone; what was asked after
// it goes on.)

import { createDelay } from './delay.ts'
import { Failure } from './failure.ts'
import { createInFlight, type InFlightBounds, type Numbered, type Question } from './in-flight.ts'
import { keepStream, type KeptStreamOptions } from './kept-stream.ts'

export type { Numbered }

const FRAME_BYTES_MAX = 1_048_576
const DELAYED_MAX = 16
const TOO_MUCH = 'too much is in flight'

export interface BatchStreamOptions<Item, Request, Reply, Verdict extends { readonly id: number }>
  extends Pick<KeptStreamOptions<Request, Reply>, 'open' | 'log'>, InFlightBounds {
  /** Makes the frames of some questions, in their order; usually one. */
  frames(items: readonly Numbered<Item>[]): readonly Request[]
  verdicts(reply: Reply): readonly Verdict[]
  /** About how many bytes a question has on the wire; far below the 8 MiB of a message. */
  bytes(item: Item): number
  /**
   * Whether the next frame waits, and grows, until something of the one with this question is
   * answered. For questions that are answered together with what else is in their frame.
   */
  holdsUp(item: Item): boolean
  /** Whether nobody waits for the answer: up to 15 of such alone have a frame every 5 ms. */
  canWait(item: Item): boolean
}

export interface BatchStream<Item, Verdict> {
  /**
   * Asks. Rejects with a Failure: RESOURCE_EXHAUSTED at a bound, DEADLINE_EXCEEDED without a verdict
   * in time, else as the stream broke (UNAVAILABLE as a rule). Its `hadNoEffect` is true if the
   * question was surely not sent; else the outcome is unknown.
   */
  send(item: Item): Promise<Verdict>
  /** Ends the stream; what is in flight is rejected. */
  close(): void
}

/** Opens a batch stream: `open: () => store.write()`. It stays open until it is closed. */
export function batchStream<Item, Request, Reply, Verdict extends { readonly id: number }>(
  options: BatchStreamOptions<Item, Request, Reply, Verdict>,
): BatchStream<Item, Verdict> {
  // In flight and not sent yet, oldest first.
  let queue: Question<Item, Verdict>[] = []
  let isFlushPlanned = false
  // What was sent last, while it holds up the next frame.
  let underWay: readonly Question<Item, Verdict>[] = []
  const delay = createDelay(planFlush)
  const canWait = ({ item }: Numbered<Item>) => options.canWait(item)
  let isClosed = false
  const inFlight = createInFlight<Item, Verdict>(options, () => {
    queue = queue.filter(({ id }) => inFlight.has(id))
    if (!underWay.some(({ id }) => inFlight.has(id))) goOn()
  })
  const stream = keepStream<Request, Reply>({
    open: () => options.open(),
    log: options.log,
    onOpen: flush,
    onReply(reply) {
      for (const verdict of options.verdicts(reply)) inFlight.answer(verdict.id, verdict)
      goOn()
    },
    onBroken: rejectAll,
  })

  function planFlush() {
    if (queue.length === 0 || isFlushPlanned || underWay.length > 0) return
    if (queue.length < DELAYED_MAX && queue.every(canWait) && delay.lasts()) return
    isFlushPlanned = true
    setImmediate(flush)
  }

  function goOn() {
    underWay = []
    planFlush()
  }

  function rejectAll(failure: Failure) {
    underWay = []
    queue = []
    inFlight.rejectAll(failure)
  }

  function flush() {
    isFlushPlanned = false
    const open = stream.current()
    if (open === undefined || queue.length === 0 || underWay.length > 0) return
    delay.gone()
    const questions = queue.splice(0)
    if (questions.some(({ item }) => options.holdsUp(item))) underWay = questions
    for (const batch of batchesOf(questions)) writeTo(open, options.frames(batch), batch)
  }

  return {
    send: (item) =>
      new Promise((resolve, reject) => {
        if (isClosed) return reject(unsent('UNAVAILABLE', 'the stream is closed'))
        const question = inFlight.add({ item, resolve, reject }, options.bytes(item))
        if (question === undefined) return reject(unsent('RESOURCE_EXHAUSTED', TOO_MUCH))
        queue.push(question)
        planFlush()
      }),
    close() {
      isClosed = true
      delay.close()
      stream.close()
      rejectAll(new Failure('UNAVAILABLE', 'the stream is closed'))
      inFlight.close()
    },
  }
}

function writeTo<Request>(
  open: { write(request: Request): unknown },
  frames: readonly Request[],
  questions: readonly { isSent: boolean }[],
): void {
  for (const question of questions) question.isSent = true
  for (const frame of frames) open.write(frame)
}

function unsent(code: 'UNAVAILABLE' | 'RESOURCE_EXHAUSTED', message: string): Failure {
  return new Failure(code, message, { hadNoEffect: true })
}

/** Splits by bytes, well below what one message may have. */
function batchesOf<Q extends { readonly bytes: number }>(questions: readonly Q[]): Q[][] {
  const batches: Q[][] = []
  let bytes = 0
  for (const question of questions) {
    const last = batches.at(-1)
    bytes += question.bytes
    if (last !== undefined && bytes <= FRAME_BYTES_MAX) last.push(question)
    else {
      batches.push([question])
      bytes = question.bytes
    }
  }
  return batches
}
