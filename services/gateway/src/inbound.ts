// What a device says in an open session: each frame goes to who deals with it. Most connections say
// nothing most of the time, so they have of this only what they have needed.

import { type Refusal, RefusalCode, type Request } from '@twotick/protocol'
import { type AnswerParts, openIntake } from './answers.ts'
import type { Directory } from './directory.ts'
import { faultOf } from './frames.ts'
import type { OpenedSession } from './handshake.ts'
import type { Intake } from './intake.ts'
import type { Pusher } from './pusher.ts'
import { createQuestions, type QuestionKind, type Questions } from './questions.ts'
import type { SendBounds } from './send-queue.ts'
import type { Signals } from './signal.ts'
import type { DeviceSocket, UpFrame } from './socket.ts'

export interface InboundParts extends AnswerParts {
  readonly directory: Directory
  readonly signals: Signals
}

export interface InboundOptions extends SendBounds {
  readonly answerMs: number
}

export interface Inbound {
  take(frame: UpFrame): void
  /** Resolves once every send that was taken has its answer, or the session is over. */
  idle(): Promise<void>
  close(): void
}

export function createInbound(
  socket: DeviceSocket,
  parts: InboundParts,
  options: InboundOptions,
  session: { opened: OpenedSession; pusher: Pusher; end: (why: Refusal) => void },
): Inbound {
  const { opened, pusher, end } = session
  let intake: Intake | undefined
  let questions: Questions | undefined
  let isClosed = false

  function ask(kind: QuestionKind, answer: () => Promise<void>) {
    questions ??= createQuestions(parts.events, { end, isEnded: () => isClosed })
    questions.ask(kind, answer)
  }

  async function answer(request: Request) {
    socket.send({ $case: 'response', value: await parts.directory.ask(opened.device, request) })
  }

  return {
    take(frame) {
      const detail = faultOf(frame)
      if (detail !== undefined) return end({ code: RefusalCode.MALFORMED, detail, retryAfterMs: 0 })
      switch (frame.$case) {
        case 'send':
          intake ??= openIntake(socket, parts, { ...options, opened, end })
          return intake.accept(frame.value)
        case 'ack':
          return pusher.ack(frame.value)
        case 'statusQuery':
          return ask('status query', () => pusher.query(frame.value))
        case 'signal':
          return parts.signals.send(opened, frame.value)
        case 'request':
          return ask('request', () => answer(frame.value))
        case 'ping':
          return socket.send({ $case: 'pong', value: frame.value })
      }
    },
    async idle() {
      await intake?.idle()
    },
    close() {
      isClosed = true
      intake?.close()
    },
  }
}
