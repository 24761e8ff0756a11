// Receives a device: handshake, takeover, welcome; and knows what is to be done when it leaves.

import { RefusalCode, type Welcome } from '@twotick/protocol'
import {
  type ConnectionOptions,
  type ConnectionParts,
  createConnection,
  type LiveSession,
} from './connection.ts'
import { jittered } from './goodbye.ts'
import {
  type HandshakeOptions,
  type HandshakeParts,
  type OpenedSession,
  shakeHands,
} from './handshake.ts'
import type { Registry } from './registry.ts'
import { type DeviceSocket, FRAME_BYTES_MAX } from './socket.ts'
import { leave, takeOver, type TakeoverParts } from './takeover.ts'

export interface ReceptionParts {
  readonly handshake: HandshakeParts
  readonly connection: ConnectionParts
  readonly takeover: TakeoverParts
  readonly registry: Registry
}

export interface ReceptionOptions extends HandshakeOptions, ConnectionOptions {
  readonly silenceMs: number
}

export function createReception(parts: ReceptionParts, options: ReceptionOptions) {
  const { registry, takeover } = parts

  return async function receive(socket: DeviceSocket): Promise<void> {
    const opened = await shakeHands(socket, parts.handshake, options)
    if (opened === undefined) return
    const { sentTag, answerBy, ...session } = opened
    const connection = createConnection(socket, parts.connection, options, {
      opened: session,
      onEnd() {
        registry.leave(connection)
        void leave(connection, takeover)
      },
    })
    // In this order: from here on doorbells are heard, then they find their way here, and what was
    // appended before that is seen by the first fetch.
    const leftMs = answerBy - performance.now()
    const isNewest = registry.enter(connection) && (await takeOver(connection, takeover, leftMs))
    if (!isNewest) return end(connection, RefusalCode.REPLACED)
    connection.begin({ sentTag, ...welcomeOf(session, options) })
    if (options.isDraining()) end(connection, RefusalCode.GOING_AWAY, jittered(1_000))
  }
}

function welcomeOf(opened: OpenedSession, options: ReceptionOptions): Omit<Welcome, 'sentTag'> {
  const { session, epoch, sentNo, ackedSeq, headSeq } = opened
  const { limits, silenceMs, sendsMax } = options
  return {
    session,
    epoch,
    sentNo,
    ackedSeq,
    backlog: Math.max(0, headSeq - ackedSeq),
    limits: {
      frameBytesMax: FRAME_BYTES_MAX,
      windowEntries: limits.entriesMax,
      windowBytes: limits.bytesMax,
      silenceMs,
      sendsMax,
    },
    serverTimeMs: Date.now(),
  }
}

function end(session: LiveSession, code: RefusalCode, retryAfterMs = 0) {
  session.end({ code, detail: '', retryAfterMs })
}
