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
  const reading = createReading(ws)
  const cut = () => ws.terminate()

  function write() {
    const frames = isGone ? [] : out
    out = []
    Object.assign(socket, { writes: socket.writes + 1, saidAt: performance.now() })
    if (frames.length > 0 && ws.readyState === ws.OPEN) raw.write(messagesOf(frames))
    if (isLast && !isGone) closeSocket()
    if (ws.bufferedAmount > CUT_BYTES) cut()
    else if (ws.bufferedAmount > CONGESTED_BYTES) reading.pause('congested')
  }

  function closeSocket() {
    reading.resumeAll()
    ws.close(1000)
    setTimeout(cut, CLOSE_MS).unref()
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
      socket.send(last)
      isLast = true
    },
    cut,
    pause: reading.pause,
    resume: reading.resume,
    isCongested: () => reading.isPausedFor('congested'),
    isClosed: () => isLast || isGone,
    isPaused: () => reading.isPaused(),
    bufferedBytes: () => ws.bufferedAmount,
    onFrame: (handler) => void (handlers.frame = handler),
    onMalformed: (handler) => void (handlers.malformed = handler),
    onGone: (handler) => void (handlers.gone = handler),
  }
  const handlers = hear(ws, socket)
  raw.on('drain', () => reading.resume('congested'))
  ws.on('close', () => {
    isGone = true
    out = []
    handlers.gone()
  })
  return socket
}

const FINAL_BINARY = 0x82
const LENGTH_16_BIT = 126

/**
 * WebSocket messages, one a frame, as they go over the wire: one buffer and one system call, where
 * `ws` would write a header and a payload for each. A server's are not masked, and not compressed.
 */
function messagesOf(frames: readonly DownFrame[]): Buffer {
  const payloads = frames.map((frame) => Down.encode({ frame }).finish())
  const bytes = payloads.reduce((sum, { length }) => sum + headerBytes(length) + length, 0)
  const messages = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const payload of payloads) {
    writeHeader(messages, at, payload.length)
    at += headerBytes(payload.length)
    messages.set(payload, at)
    at += payload.length
  }
  return messages
}

function headerBytes(length: number): number {
  if (length < LENGTH_16_BIT) return 2
  return length < 2 ** 16 ? 4 : 10
}

function writeHeader(messages: Buffer, at: number, length: number): void {
  messages[at] = FINAL_BINARY
  switch (headerBytes(length)) {
    case 2:
      messages[at + 1] = length
      break
    case 4:
      messages[at + 1] = LENGTH_16_BIT
      messages.writeUInt16BE(length, at + 2)
      break
    default:
      messages[at + 1] = LENGTH_16_BIT + 1
      messages.writeUInt32BE(0, at + 2)
      messages.writeUInt32BE(length, at + 6)
  }
}

/** Whether the socket is read, which several reasons may speak against. */
function createReading(ws: WebSocket) {
  const reasons = new Set<string>()
  return {
    pause(reason: string) {
      reasons.add(reason)
      ws.pause()
    },
    resume(reason: string) {
      if (reasons.delete(reason) && reasons.size === 0) ws.resume()
    },
    resumeAll() {
      reasons.clear()
      ws.resume()
    },
    isPaused: () => reasons.size > 0,
    isPausedFor: (reason: string) => reasons.has(reason),
  }
}

interface Handlers {
  frame: (frame: UpFrame) => void
  malformed: () => void
  gone: () => void
}

/** Hands on what comes, until the last frame was said. */
function hear(ws: WebSocket, socket: DeviceSocket): Handlers {
  const nothing = () => undefined
  const handlers: Handlers = { frame: nothing, malformed: nothing, gone: nothing }
  ws.on('message', (data, isBinary) => {
    if (socket.isClosed()) return
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
  return handlers
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
