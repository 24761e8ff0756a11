// From a session's sends to the two services and back to the device: how a send is put to each of
// them, and how their answers become frames.

import type { Refusal, Send } from '@twotick/protocol'
import type { Append, SendMetadata } from '@twotick/protocol/services'
import type { GatewayEvents } from './events.ts'
import type { OpenedSession } from './handshake.ts'
import { createIntake, type Intake } from './intake.ts'
import type { SendBounds } from './send-queue.ts'
import { type OpenSendTraces, traceCall } from './send-traces.ts'
import type { DeviceSocket } from './socket.ts'
import type { Validation, Writes } from './writes.ts'

export interface AnswerParts {
  readonly validation: Validation
  readonly writes: Writes
  readonly events: GatewayEvents
  readonly openTraces: OpenSendTraces
}

export interface AnswerOptions extends SendBounds {
  readonly opened: OpenedSession
  readonly answerMs: number
  readonly end: (why: Refusal) => void
}

export function openIntake(
  socket: DeviceSocket,
  { validation, writes, events, openTraces }: AnswerParts,
  { opened, end, ...options }: AnswerOptions,
): Intake {
  const { device, epoch, session, sentNo } = opened
  const gather = gatherStored(socket)
  const traces = openTraces()
  const intake = createIntake(
    {
      validate(send) {
        const metadata = metadataOf(opened, send)
        if (send.trace === undefined) return validation.validate(metadata)
        return traceCall('validate', send.trace, (trace) =>
          validation.validate({ ...metadata, trace }),
        )
      },
      append: (send, { recipientAccountIds, lifetimeS }) => {
        const { no, prevNo, tag, to, type, ciphertext, parts } = send
        const append: Append = {
          id: 0,
          sender: device,
          session,
          no,
          prevNo,
          tag,
          to,
          type,
          lifetimeS,
          recipientAccountIds,
          ciphertext,
          parts,
        }
        if (send.trace === undefined) return writes.append(epoch, append)
        return traceCall('append', send.trace, (trace) =>
          writes.append(epoch, { ...append, trace }),
        )
      },
      stored(no, acceptedAtMs, since) {
        events.stored(since)
        traces.stored(no)
        gather.stored(no, acceptedAtMs)
      },
      rejected(rejected) {
        events.rejected(rejected.code)
        traces.rejected(rejected)
        gather.close()
        socket.send({ $case: 'rejected', value: rejected })
      },
      end,
      pause: () => socket.pause('sends'),
      resume: () => socket.resume('sends'),
    },
    { sentNo, ...options },
  )
  return {
    ...intake,
    accept(send) {
      traces.begin(send, device.accountId)
      intake.accept(send)
    },
    close() {
      intake.close()
      traces.close()
    },
  }
}

/** Makes one range of the first ticks of one write, as far as no rejection comes between. */
function gatherStored(socket: DeviceSocket) {
  let range = { firstNo: 0, lastNo: 0, acceptedAtMs: 0 }
  let rangeWrite = -1
  return {
    stored(no: number, acceptedAtMs: number) {
      // The frame of this write is not encoded yet: it can still grow.
      if (rangeWrite === socket.writes && no > range.lastNo) {
        Object.assign(range, { lastNo: no, acceptedAtMs })
        return
      }
      range = { firstNo: no, lastNo: no, acceptedAtMs }
      rangeWrite = socket.writes
      socket.send({ $case: 'stored', value: range })
    },
    close() {
      rangeWrite = -1
    },
  }
}

function metadataOf({ device, clientVersion }: OpenedSession, send: Send): SendMetadata {
  const { to, rosterVersion, type, lifetimeS, ciphertext, parts } = send
  return {
    id: 0,
    sender: device,
    clientVersion,
    to,
    rosterVersion,
    type,
    lifetimeS,
    bytes: parts.reduce((sum, part) => sum + part.ciphertext.length, ciphertext.length),
    parts: parts.flatMap(({ address }) => address ?? []),
    isSignal: false,
  }
}
