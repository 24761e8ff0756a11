// One device's WebSocket, as frames. What is sent within one turn of the event loop goes out in one
// write. It does not grow without bound: when the device does not take what was written, the socket
// is congested, which stops reading from it and tells others to leave out what can be left out; at
// a hard cap (that the window keeps an honest session below) it is cut.

import type { Duplex } from 'node:stream'
import { Down, Up } from '@twotick/protocol'
import type { WebSocket } from 'ws'

export type UpFrame = NonNullable<Up['frame']>
export type DownFrame = NonNullable<Down['frame']>

/** The largest frame of the protocol. */
export const FRAME_BYTES_MAX = 96 * 1024

/** Above what a full window holds. */
const CONGESTED_BYTES = 1_572_864
const CUT_BYTES = 8 * 1_048_576

/** How long the device may take to answer the closing handshake. */
const CLOSE_MS = 2_000

export interface DeviceSocket {
  /** The device's network address. */
  readonly address: string
  send(frame: DownFrame): void
  /** Grows by one with each write: what was sent at the same number goes out together. */
  readonly writes: number
  /** Sends what is left and then ends the connection. Nothing that comes after is heard. */
  close(last: DownFrame): void
  /** Ends it at once. */
  cut(): void
  /** Stops reading, for one of several reasons; each has its own `resume`. */
  pause(reason: string): void
  resume(reason: string): void
  isCongested(): boolean
  isClosed(): boolean
  /** Whether not hearing from the device is our own doing. */
  isPaused(): boolean
  /** Bytes that the device has not taken yet. */
  bufferedBytes(): number
  /** When something last came, and went (performance.now()). */
  heardAt: number
  saidAt: number
  /** One handler each; the latest counts. */
  onFrame(handler: (frame: UpFrame) => void): void
  /** A message that is no frame. */
  onMalformed(handler: () => void): void
  /** The connection is gone, whoever ended it. */
  onGone(handler: () => void): void
}

/** Writes of many sockets in one go at the end of the turn. */
export type AtTurnEnd = (write: () => void) => void

export function createTurn(): AtTurnEnd {
  let due: (() => void)[] = []
  return (write) => {
    if (due.length === 0) {
      setImmediate(() => {
        const writes = due
        due = []
        for (const each of writes) each()
      })
    }
    due.push(write)
  }
}

export function deviceSocket(
  ws: WebSocket,
  raw: Duplex,
  { address, atTurnEnd }: { address: string; atTurnEnd: AtTurnEnd },
): DeviceSocket {
  let out: DownFrame[] = []
  let isLast = false
  let isGone = false
  const pausedFor = new Set<string>()
  const handlers = {
    frame: (_frame: UpFrame): void => undefined,
    malformed: (): void => undefined,
    gone: (): void => undefined,
  }

  const socket: DeviceSocket = {
    address,
    writes: 0,
    heardAt: performance.now(),
    saidAt: performance.now(),
    send(frame) {
      if (isLast || isGone) return
      if (out.length === 0) atTurnEnd(write)
      out.push(frame)
    },
    close(last) {
      if (isLast || isGone) return
      socket.send(last)
      isLast = true
    },
    cut,
    pause(reason) {
      pausedFor.add(reason)
      ws.pause()
    },
    resume(reason) {
      if (pausedFor.delete(reason) && pausedFor.size === 0) ws.resume()
    },
    isCongested: () => pausedFor.has('congested'),
    isClosed: () => isLast || isGone,
    isPaused: () => pausedFor.size > 0,
    bufferedBytes: () => ws.bufferedAmount,
    onFrame: (handler) => void (handlers.frame = handler),
    onMalformed: (handler) => void (handlers.malformed = handler),
    onGone: (handler) => void (handlers.gone = handler),
  }

  function write() {
    if (isGone) return
    const frames = out
    out = []
    Object.assign(socket, { writes: socket.writes + 1, saidAt: performance.now() })
    raw.cork()
    for (const frame of frames) ws.send(Down.encode({ frame }).finish(), { binary: true })
    if (isLast) closeSocket()
    raw.uncork()
    if (ws.bufferedAmount > CUT_BYTES) cut()
    else if (ws.bufferedAmount > CONGESTED_BYTES) socket.pause('congested')
  }

  function closeSocket() {
    for (const reason of [...pausedFor]) socket.resume(reason)
    ws.close(1000)
    setTimeout(cut, CLOSE_MS).unref()
  }

  function cut() {
    ws.terminate()
  }

  raw.on('drain', () => socket.resume('congested'))
  ws.on('message', (data, isBinary) => {
    if (isLast) return
    socket.heardAt = performance.now()
    const frame = isBinary ? decoded(data as Buffer) : undefined
    if (frame === undefined) handlers.malformed()
    else handlers.frame(frame)
  })
  ws.on('ping', (data) => {
    socket.heardAt = performance.now()
    if (!socket.isCongested()) ws.pong(data)
  })
  ws.on('error', () => handlers.malformed())
  ws.on('close', () => {
    isGone = true
    out = []
    handlers.gone()
  })
  return socket
}

function decoded(bytes: Buffer): UpFrame | undefined {
  if (bytes.length > FRAME_BYTES_MAX) return undefined
  try {
    return Up.decode(bytes).frame
  } catch (error) {
    // What the bytes were is nobody's business but the device's.
    return void error
  }
}
