// One WebSocket to the gateway: frames out, frames in, and the heartbeat. Both sides end a
// connection that was silent for 35 s; so this side pings once it has said or heard nothing for 15.
// While the relay owes a word, this side's patience is shorter (patience.ts).

import { Down, Up } from '@twotick/protocol'
import { createPatience, PATIENCE_MS } from './patience.ts'

export const SUBPROTOCOL = 'twotick.v1'

const SILENCE_MS = 35_000
const PING_AFTER_MS = 15_000
const HANDSHAKE_MS = 10_000

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

interface HeartOptions {
  ping(number: number): void
  close(): void
}

function createHeart({ ping, close }: HeartOptions) {
  let heardAtMs = Date.now()
  let saidAtMs = Date.now()
  let pinged = 0
  let pingAfterMs = PING_AFTER_MS
  let silenceMs = SILENCE_MS
  const handshake = setTimeout(close, HANDSHAKE_MS)
  let timer: ReturnType<typeof setInterval> | undefined

  function beat(): void {
    const nowMs = Date.now()
    if (nowMs - heardAtMs >= silenceMs) close()
    else if (nowMs - Math.min(heardAtMs, saidAtMs) >= pingAfterMs) ping((pinged += 1))
  }

  return {
    heard: () => void (heardAtMs = Date.now()),
    said: () => void (saidAtMs = Date.now()),
    opened(givenMs: number) {
      clearTimeout(handshake)
      silenceMs = givenMs || SILENCE_MS
      pingAfterMs = Math.min(PING_AFTER_MS, silenceMs / 2)
      timer ??= setInterval(beat, pingAfterMs / 5)
    },
    stop() {
      clearTimeout(handshake)
      clearInterval(timer)
    },
  }
}
