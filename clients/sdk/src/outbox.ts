// Sending, as the application sees it: a message is encoded, made durable with its number, and from
// then on nothing but the relay's definite no takes it back.

import { EnvelopeType, type Address } from '@twotick/protocol'
import { enterAgain } from './again.ts'
import type { Book } from './book.ts'
import type { Codec } from './codec.ts'
import { encode } from './encode.ts'
import { checkOutgoing } from './outgoing.ts'
import { createPromises, type SentMessage } from './promises.ts'
import type { Rosters } from './rosters.ts'
import type { Sender } from './sender.ts'
import { numberKey, type To } from './storage.ts'
import { newTrace } from './trace.ts'
import type { Step, Turn } from './turn.ts'

const OUTBOX_MAX = 1_000

export interface SendOptions {
  readonly to: To
  readonly body: Uint8Array
  readonly type?: EnvelopeType
  /** Seconds after which it leaves the relay undelivered; by default as long as the type allows. */
  readonly lifetimeS?: number
  /**
   * Asks for a trace of its way through the relay, whose id is then `SentMessage.traceId`. A relay
   * whose operator has not allowed it to this account takes no notice.
   */
  readonly trace?: boolean
}

interface OutboxOptions {
  readonly own: Address
  readonly codec: Codec
  readonly rosters: Rosters
  readonly sender: Sender
  readonly book: Book
  readonly enter: (step: Step) => Promise<void>
}

export type Outbox = ReturnType<typeof createOutbox>

export function createOutbox(options: OutboxOptions) {
  const { sender, book, enter } = options
  const promises = createPromises(book)
  let lane: Promise<unknown> = Promise.resolve()
  let reserved = 0
  const room = createRoom(() => OUTBOX_MAX - sender.unansweredCount() - reserved)

  /** Encodes and numbers. In an object, so that whoever awaits this does not await `numbered`. */
  async function prepare({ to, body, ...rest }: SendOptions) {
    await room.wait()
    const { type = EnvelopeType.MESSAGE, lifetimeS = 0 } = rest
    const trace = rest.trace ? newTrace() : undefined
    const outgoing = { to, type, lifetimeS, content: { body }, deviceIds: [] }
    const draft = await encode(outgoing, options)
    if (!draft) throw new Error('there is no device to send to')
    reserved += 1
    const numbered = number((turn) => {
      reserved -= 1
      const traced = trace && { traceId: trace.traceId }
      const fixed = { to, type, lifetimeS, rosterTries: 0, resentTo: [], ...traced }
      const no = sender.add(turn, { ...draft, ...(trace && { trace: trace.context }) }, fixed)
      turn.put('body', numberKey(no), body)
      return no
    })
    return { numbered }
  }

  async function number(add: (turn: Turn) => number): Promise<SentMessage> {
    const made: SentMessage[] = []
    await enter((turn) => void made.push(promises.track(add(turn))))
    const [sent] = made
    if (!sent) throw new Error('a step that was entered has not run')
    return sent
  }

  return {
    /**
     * Resolves once the message is durable here, in the order of the calls. Waits while the outbox
     * is full of messages without an answer. Rejects with a TypeError or RangeError, and nothing is
     * durable, where it could never be sent.
     */
    async send(message: SendOptions): Promise<SentMessage> {
      checkOutgoing(message)
      const prepared = lane.then(() => prepare(message))
      lane = prepared.catch(() => undefined)
      const { numbered } = await prepared
      return numbered
    },

    /** Sends a rejected message again: for the relay under a new number, for people the same one. */
    async sendAgain(no: number): Promise<SentMessage> {
      if (!book.messages.get(no)?.rejection) {
        throw new RangeError(`there is no rejected message ${no}`)
      }
      return number((turn) => {
        enterAgain({ book, turn, happenings: [] }, no)
        return no
      })
    },

    settle: promises.settle,

    /** After each turn: whoever waits for room looks again. */
    resume: room.look,

    stop(error: Error): void {
      promises.stop(error)
      room.stop(error)
    },
  }
}

/** Waiting until there is room. */
function createRoom(left: () => number) {
  let wanted: (() => void)[] = []
  let stopped: Error | undefined

  function look(): void {
    const woken = wanted
    wanted = []
    for (const wake of woken) wake()
  }

  return {
    async wait(): Promise<void> {
      while (left() <= 0) {
        if (stopped) throw stopped
        await new Promise<void>((resolve) => wanted.push(resolve))
      }
    },
    look,
    stop(error: Error): void {
      stopped = error
      look()
    },
  }
}
