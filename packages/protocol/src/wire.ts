// The wire format of Protocol Buffers, as far as proto/ uses it: what the generated code reads and
// writes with. The library's own reader takes a 64-bit number through a BigInt and a string, and an
// id of 36 characters through TextDecoder; here both are plain loops, and a number beyond 2^53 is
// refused. Its writer starts each message with a small buffer and doubles it; here one buffer is
// kept from message to message.

const FIRST_BYTES = 4_096
/** A larger buffer is not kept. */
const KEPT_BYTES_MAX = 1_048_576
/** Up to this length a string is copied character by character, as long as it is ASCII. */
const SHORT_STRING = 64
const NESTING_MAX = 100
const ID_LENGTH = 36
/** Ids come again and again: the last one of each place is kept; the place is a hash of its end. */
const KNOWN_IDS = 4_096
const knownIds = new Array<string>(KNOWN_IDS).fill('')

/** For every field of bytes that has none. */
export const NO_BYTES: Uint8Array<ArrayBuffer> = new Uint8Array(0)

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Reads one message; throws at whatever is cut short or out of range. */
export class BinaryReader {
  readonly buf: Uint8Array
  readonly len: number
  pos = 0
  /** What the generated code counts nested messages by; it would add it to each reader, whose shape then changes. */
  __tsProtoDecodeDepth = 0

  constructor(buf: Uint8Array) {
    this.buf = buf
    this.len = buf.length
  }

  /** A varint; of one that is longer the low 32 bits. */
  uint32(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new Error('a varint has more than 10 bytes')
  }

  int32(): number {
    return this.uint32() | 0
  }

  /** Throws beyond 2^53. */
  uint64(): number {
    let value = 0
    for (let unit = 1; unit < 2 ** 70; unit *= 128) {
      const byte = this.byte()
      value += (byte & 0x7f) * unit
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new Error('a number is beyond 2^53')
        return value
      }
    }
    throw new Error('a varint has more than 10 bytes')
  }

  bool(): boolean {
    let isTrue = false
    for (let count = 0; count < 10; count++) {
      const byte = this.byte()
      isTrue ||= (byte & 0x7f) !== 0
      if (byte < 0x80) return isTrue
    }
    throw new Error('a varint has more than 10 bytes')
  }

  bytes(): Uint8Array {
    const start = this.advance(this.uint32())
    return this.buf.subarray(start, this.pos)
  }

  string(): string {
    const length = this.uint32()
    const start = this.advance(length)
    if (length > SHORT_STRING) return decoder.decode(this.buf.subarray(start, this.pos))
    if (length === ID_LENGTH) return this.id(start)
    return this.shortString(start, length)
  }

  /** The same one each time while it is kept: with no memory of its own, and its hash known to Maps. */
  private id(start: number): string {
    const slot = slotOf(this.buf, start)
    const known = knownIds[slot] ?? ''
    let index = 0
    while (index < known.length && known.charCodeAt(index) === this.buf[start + index]) index += 1
    if (index === ID_LENGTH) return known
    const id = this.shortString(start, ID_LENGTH)
    if (id.length === ID_LENGTH) knownIds[slot] = id
    return id
  }

  private shortString(start: number, length: number): string {
    const codes = new Array<number>(length)
    for (let index = 0; index < length; index++) {
      const code = this.buf[start + index] ?? 0
      if (code > 0x7f) return decoder.decode(this.buf.subarray(start, this.pos))
      codes[index] = code
    }
    return String.fromCharCode(...codes)
  }

  /** Skips a field of this wire type whose tag was read. */
  skip(wireType: number, nesting = 0): void {
    if (wireType === 0) while (this.byte() >= 0x80);
    else if (wireType === 1) this.advance(8)
    else if (wireType === 2) this.advance(this.uint32())
    else if (wireType === 5) this.advance(4)
    else if (wireType === 3 && nesting < NESTING_MAX) {
      for (let tag = this.uint32(); (tag & 7) !== 4; tag = this.uint32()) {
        this.skip(tag & 7, nesting + 1)
      }
    } else throw new Error(`no field can have wire type ${wireType} here`)
  }

  private byte(): number {
    const byte = this.buf[this.pos++]
    if (byte === undefined) throw new RangeError('a message is cut short')
    return byte
  }

  /** Moves on, and returns where it stood. */
  private advance(bytes: number): number {
    const start = this.pos
    this.pos += bytes
    if (this.pos > this.len) throw new RangeError('a message is cut short')
    return start
  }
}

function slotOf(buf: Uint8Array, start: number): number {
  const end = start + ID_LENGTH
  let slot = 0
  for (let at = end - 4; at < end; at++) slot = slot * 23 + (buf[at] ?? 0)
  return slot % KNOWN_IDS
}

// Taken by the writer that begins, given back by `finish`: a writer that begins meanwhile has its own.
let kept: Uint8Array<ArrayBuffer> | undefined

/** Writes one message. */
export class BinaryWriter {
  private buffer: Uint8Array<ArrayBuffer>
  private pos = 0
  private readonly forks: number[] = []

  constructor() {
    this.buffer = kept ?? new Uint8Array(FIRST_BYTES)
    kept = undefined
  }

  /** The message's bytes. Nothing can be written any more. */
  finish(): Uint8Array<ArrayBuffer> {
    const message = allocate(this.pos)
    message.set(this.buffer.subarray(0, this.pos))
    if (this.buffer.length <= KEPT_BYTES_MAX) kept = this.buffer
    this.buffer = NO_BYTES
    this.pos = 0
    return message
  }

  /** Begins what has its length in front of it, until `join`. */
  fork(): this {
    this.reserve(1)
    this.forks.push(this.pos)
    this.pos += 1
    return this
  }

  join(): this {
    const at = this.forks.pop()
    if (at === undefined) throw new Error('nothing was begun')
    const length = this.pos - at - 1
    const more = varintBytes(length) - 1
    if (more > 0) {
      this.reserve(more)
      this.buffer.copyWithin(at + 1 + more, at + 1, this.pos)
    }
    this.pos = at
    this.varint(length)
    this.pos += length
    return this
  }

  uint32(value: number): this {
    if (!(value >= 0 && value < 2 ** 32)) throw new Error(`not an unsigned 32-bit number: ${value}`)
    return this.uint64(value)
  }

  /** Negative numbers take 10 bytes, as sign extension to 64 bits makes them. */
  int32(value: number): this {
    if ((value | 0) !== value) throw new Error(`not a 32-bit number: ${value}`)
    if (value >= 0) return this.uint64(value)
    this.reserve(10)
    for (let count = 0; count < 4; count++) {
      this.buffer[this.pos++] = ((value >> (7 * count)) & 0x7f) | 0x80
    }
    this.buffer[this.pos++] = (value >> 28) | 0x80
    for (let count = 0; count < 4; count++) this.buffer[this.pos++] = 0xff
    this.buffer[this.pos++] = 1
    return this
  }

  /** Up to 2^53. */
  uint64(value: number): this {
    if (!(value >= 0 && Number.isSafeInteger(value))) throw new Error(`not a number here: ${value}`)
    this.reserve(10)
    this.varint(value)
    return this
  }

  bool(value: boolean): this {
    this.reserve(1)
    this.buffer[this.pos++] = value ? 1 : 0
    return this
  }

  bytes(value: Uint8Array): this {
    this.reserve(5 + value.length)
    this.varint(value.length)
    this.buffer.set(value, this.pos)
    this.pos += value.length
    return this
  }

  string(value: string): this {
    const { length } = value
    if (length > SHORT_STRING) return this.bytes(encoder.encode(value))
    this.reserve(1 + length)
    const { buffer } = this
    const at = this.pos + 1
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index)
      if (code > 0x7f) return this.bytes(encoder.encode(value))
      buffer[at + index] = code
    }
    buffer[this.pos] = length
    this.pos = at + length
    return this
  }

  /** The room is there. */
  private varint(value: number): void {
    let rest = value
    while (rest >= 2 ** 31) {
      this.buffer[this.pos++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest > 0x7f) {
      this.buffer[this.pos++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.buffer[this.pos++] = rest
  }

  private reserve(bytes: number): void {
    const needed = this.pos + bytes
    if (needed <= this.buffer.length) return
    const grown = new Uint8Array(Math.max(needed, 2 * this.buffer.length, FIRST_BYTES))
    grown.set(this.buffer)
    this.buffer = grown
  }
}

const POOL_BYTES = 8_192
/** Browsers keep and send a view with all that is behind it: each message has its own memory there. */
const POOLED_BYTES_MAX = 'process' in globalThis ? POOL_BYTES / 4 : 0
let pool = NO_BYTES
let pooled = 0

/** Memory of its own for each small message costs more than writing it. */
function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes > POOLED_BYTES_MAX) return new Uint8Array(bytes)
  if (pooled + bytes > pool.length) {
    pool = new Uint8Array(POOL_BYTES)
    pooled = 0
  }
  pooled += bytes
  return pool.subarray(pooled - bytes, pooled)
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}
