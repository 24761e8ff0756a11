// One WebSocket to the gateway: frames out, frames in, and what ends it: silence (heart.ts), or that
// the relay owes a word for too long (patience.ts).

import { Down, Up } from '@twotick/protocol'
import { createHeart } from './heart.ts'
import { createPatience, PATIENCE_MS } from './patience.ts'

export const SUBPROTOCOL = 'twotick.v1'

export type UpFrame = NonNullable<Up['frame']>
export type DownFrame = NonNullable<Down['frame']>

export interface Link {
  send(frame: UpFrame): void
  /** Bytes handed over and not yet passed on. */
  bufferedBytes(): number
  /** The handshake is through: from now on only silence ends the link from this side. */
  opened(silenceMs: number): void
  /** Whether the relay owes an answer. */
  waits(isWaiting: boolean): void
  close(): void
}

export interface LinkEvents {
  /** A frame, other than the heartbeat's. */
  frame(frame: DownFrame, link: Link): void
  /** The last call, whoever ended it; `isImpatient`: this side, which had waited for long enough. */
  closed(isImpatient?: boolean): void
}

/** How long the relay may be silent, before its Welcome and while it owes an answer. */
export interface LinkPatience {
  readonly openingMs: number
  readonly answerMs: number
}

const PATIENCE: LinkPatience = { openingMs: PATIENCE_MS, answerMs: PATIENCE_MS }

/** Dials. A failure to connect is a `closed`, like any other end. */
export function openLink(url: string, events: LinkEvents, patience = PATIENCE): Link {
  const socket = new WebSocket(url, SUBPROTOCOL)
  socket.binaryType = 'arraybuffer'
  let isClosed = false
  const heart = createHeart({ ping: (number) => say({ $case: 'ping', value: { number } }), close })
  const { waits, heard } = createPatience(() => close(true))
  waits(patience.openingMs)

  function say(frame: UpFrame): void {
    if (socket.readyState !== WebSocket.OPEN) return
    heart.said()
    socket.send(new Uint8Array(Up.encode({ frame }).finish()))
  }

  function close(isImpatient = false): void {
    if (isClosed) return
    isClosed = true
    heart.stop()
    waits(undefined)
    socket.close()
    queueMicrotask(() => events.closed(isImpatient))
  }

  const link: Link = {
    send: say,
    bufferedBytes: () => socket.bufferedAmount,
    opened(silenceMs) {
      heart.opened(silenceMs)
      waits(undefined)
    },
    waits: (isWaiting) => isClosed || waits(isWaiting ? patience.answerMs : undefined),
    close,
  }

  function hear(data: unknown): void {
    if (isClosed) return
    heart.heard()
    heard()
    const frame = decode(data)
    if (frame === undefined) close()
    else if (frame.$case === 'ping') say({ $case: 'pong', value: frame.value })
    else if (frame.$case !== 'pong') events.frame(frame, link)
  }

  socket.addEventListener('message', ({ data }) => hear(data))
  socket.addEventListener('error', () => close())
  socket.addEventListener('close', () => close())
  return link
}

function decode(data: unknown): DownFrame | undefined {
  if (!(data instanceof ArrayBuffer)) return undefined
  try {
    return Down.decode(new Uint8Array(data)).frame
  } catch {
    // What cannot be decoded ends the link: there is nobody to tell but the gateway itself.
    return undefined
  }
}
