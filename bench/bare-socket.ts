// A WebSocket client that does as little as RFC 6455 allows, on a plain socket: what a load generator
// uses of the machine is taken from the relay that it measures. What is sent within one turn of the
// event loop goes out in one write, and what was read at once is handed on message by message.

import { randomBytes } from 'node:crypto'
import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import type { Duplex } from 'node:stream'

export interface BareSocket {
  /** One binary message. */
  send(message: Uint8Array): void
  close(): void
}

export interface Hearing {
  onMessage(message: Buffer): void
  onEnd(): void
}

const CONTINUATION = 0
const BINARY = 2
const CLOSE = 8
const PING = 9
const PONG = 10
const FINAL = 0x80
const MASKED = 0x80
const MASK_BYTES = 4

/** Connects; rejects with what the server says if it does not upgrade. */
export function connectBare(url: string, protocol: string, hearing: Hearing): Promise<BareSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<BareSocket>()
  const isTls = url.startsWith('wss:')
  const asking = (isTls ? requestTls : requestPlain)(url.replace(/^ws/, 'http'), {
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Protocol': protocol,
    },
  })
  asking.on('upgrade', (_response, socket, head) => resolve(speak(socket, head, hearing)))
  asking.on('response', ({ statusCode }) => reject(new Error(`no WebSocket but ${statusCode}`)))
  asking.on('error', reject)
  asking.end()
  return promise
}

function speak(socket: Duplex, head: Buffer, { onMessage, onEnd }: Hearing): BareSocket {
  let out: Buffer[] = []
  const write = () => {
    const [first] = out
    if (first === undefined || !socket.writable) return
    socket.write(out.length === 1 ? first : Buffer.concat(out))
    out = []
  }
  const put = (opcode: number, payload: Uint8Array) => {
    if (out.length === 0) setImmediate(write)
    out.push(maskedFrame(opcode, payload))
  }
  const take = createFrames((opcode, payload) => {
    if (opcode === BINARY) onMessage(payload)
    else if (opcode === PING) put(PONG, payload)
    else if (opcode === CLOSE) socket.end(maskedFrame(CLOSE, payload))
    else if (opcode === CONTINUATION) throw new Error('the relay sends no fragments')
  })
  socket.on('data', take)
  socket.on('error', () => undefined) // `close` follows
  socket.on('close', onEnd)
  if (head.length > 0) take(head)
  return {
    send: (message) => put(BINARY, message),
    close: () => put(CLOSE, Buffer.of(0x03, 0xe8)),
  }
}

/** Cuts what is read into frames. A server's are not masked. */
function createFrames(onFrame: (opcode: number, payload: Buffer) => void) {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    for (;;) {
      const frame = frameAt(bytes, at)
      if (frame === undefined) break
      at = frame.end
      onFrame((bytes[frame.first] ?? 0) & 0x0f, bytes.subarray(frame.payload, frame.end))
    }
    rest = bytes.subarray(at)
  }
}

/** undefined: it is not there yet, or not all of it. */
function frameAt(bytes: Buffer, first: number) {
  if (bytes.length < first + 2) return undefined
  const short = (bytes[first + 1] ?? 0) & 0x7f
  const payload = first + 2 + (short === 126 ? 2 : short === 127 ? 8 : 0)
  if (bytes.length < payload) return undefined
  let length = short
  if (short === 126) length = bytes.readUInt16BE(first + 2)
  else if (short === 127) length = bytes.readUInt32BE(first + 6)
  const end = payload + length
  return bytes.length < end ? undefined : { first, payload, end }
}

function maskedFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const start = 2 + lengthBytes + MASK_BYTES
  const frame = Buffer.allocUnsafe(start + length)
  frame[0] = FINAL | opcode
  frame[1] = MASKED | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2)
  else if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2)
  // Nothing is hidden by a mask: it only has to be one.
  const mask = Math.floor(Math.random() * 2 ** 32)
  frame.writeUInt32BE(mask, start - MASK_BYTES)
  const keys = frame.subarray(start - MASK_BYTES, start)
  const [a = 0, b = 0, c = 0, d = 0] = keys
  let at = 0
  for (; at + 3 < length; at += 4) {
    frame[start + at] = (payload[at] ?? 0) ^ a
    frame[start + at + 1] = (payload[at + 1] ?? 0) ^ b
    frame[start + at + 2] = (payload[at + 2] ?? 0) ^ c
    frame[start + at + 3] = (payload[at + 3] ?? 0) ^ d
  }
  for (; at < length; at++) frame[start + at] = (payload[at] ?? 0) ^ (keys[at & 3] ?? 0)
  return frame
}
