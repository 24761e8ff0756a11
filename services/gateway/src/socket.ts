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
  const socket = new WebSocketDevice(ws, raw, { address, atTurnEnd })
  ws.on('message', (data, isBinary) => socket.heard(data as Buffer, isBinary))
  ws.on('ping', (data) => socket.pinged(data))
  ws.on('error', () => socket.malformed())
  ws.on('close', () => socket.gone())
  raw.on('drain', () => socket.resume('congested'))
  return socket
}

/** A class, as there is one for each connection: its methods as closures took 1.3 kB of each. */
class WebSocketDevice implements DeviceSocket {
  readonly address: string
  writes = 0
  heardAt = performance.now()
  saidAt = performance.now()
  private readonly ws: WebSocket
  private readonly raw: Duplex
  private readonly atTurnEnd: AtTurnEnd
  private out: DownFrame[] = NO_FRAMES
  private isLast = false
  private isGone = false
  /** Why it is not read; undefined while it is. */
  private pausedFor: Set<string> | undefined
  private frameHandler: (frame: UpFrame) => void = nothing
  private malformedHandler: () => void = nothing
  private goneHandler: () => void = nothing

  constructor(
    ws: WebSocket,
    raw: Duplex,
    { address, atTurnEnd }: { address: string; atTurnEnd: AtTurnEnd },
  ) {
    this.ws = ws
    this.raw = raw
    this.address = address
    this.atTurnEnd = atTurnEnd
  }

  send(frame: DownFrame): void {
    if (this.isClosed()) return
    if (this.out.length > 0) return void this.out.push(frame)
    this.out = [frame]
    this.atTurnEnd(() => this.write())
  }

  private write(): void {
    const frames = this.isGone ? [] : this.out
    this.out = NO_FRAMES
    this.writes++
    this.saidAt = performance.now()
    const ws = this.ws
    if (frames.length > 0 && ws.readyState === ws.OPEN) this.raw.write(messagesOf(frames))
    if (this.isLast && !this.isGone) this.end()
    if (ws.bufferedAmount > CUT_BYTES) this.cut()
    else if (ws.bufferedAmount > CONGESTED_BYTES) this.pause('congested')
  }

  private end(): void {
    this.pausedFor = undefined
    this.ws.resume()
    this.ws.close(1000)
    setTimeout(() => this.cut(), CLOSE_MS).unref()
  }

  close(last: DownFrame): void {
    this.send(last)
    this.isLast = true
  }

  cut(): void {
    this.ws.terminate()
  }

  pause(reason: string): void {
    this.pausedFor ??= new Set()
    this.pausedFor.add(reason)
    this.ws.pause()
  }

  resume(reason: string): void {
    if (this.pausedFor?.delete(reason) !== true || this.pausedFor.size > 0) return
    this.pausedFor = undefined
    this.ws.resume()
  }

  isCongested(): boolean {
    return this.pausedFor?.has('congested') === true
  }

  isClosed(): boolean {
    return this.isLast || this.isGone
  }

  isPaused(): boolean {
    return this.pausedFor !== undefined
  }

  bufferedBytes(): number {
    return this.ws.bufferedAmount
  }

  onFrame(handler: (frame: UpFrame) => void): void {
    this.frameHandler = handler
  }

  onMalformed(handler: () => void): void {
    this.malformedHandler = handler
  }

  onGone(handler: () => void): void {
    this.goneHandler = handler
  }

  /** Hands on what comes, until the last frame was said. */
  heard(data: Buffer, isBinary: boolean): void {
    if (this.isClosed()) return
    this.heardAt = performance.now()
    const frame = isBinary ? decoded(data) : undefined
    if (frame === undefined) this.malformedHandler()
    else this.frameHandler(frame)
  }

  pinged(data: Buffer): void {
    this.heardAt = performance.now()
    if (!this.isCongested()) this.ws.pong(data)
  }

  malformed(): void {
    this.malformedHandler()
  }

  gone(): void {
    this.isGone = true
    this.out = NO_FRAMES
    this.goneHandler()
  }
}

const NO_FRAMES: DownFrame[] = []

function nothing(): void {}

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

function decoded(bytes: Buffer): UpFrame | undefined {
  if (bytes.length > FRAME_BYTES_MAX) return undefined
  try {
    return Up.decode(bytes).frame
  } catch (error) {
    // What the bytes were is nobody's business but the device's.
    return void error
  }
}
