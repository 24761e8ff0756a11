// Postgres arrays in their binary form, which `pg` sends as it is when a parameter is a Buffer.
// Text arrays of bytea double every payload and cost about twice the CPU on both sides. Each element
// is written in its place: a buffer for each costs five times as much (ten for a UUID).

import type { Sealed } from './sealed.ts'

const OID = { uuid: 2950, int8: 20, int2: 21, bytea: 17, tid: 27, timestamptz: 1184 }
export const UUID_BYTES = 16

/** Writes an element's bytes and returns where they end. */
type WriteElement<T> = (buffer: Buffer, element: T, at: number) => number

interface ElementType<T> {
  readonly oid: number
  readonly bytes: (element: T) => number
  readonly write: WriteElement<T>
}

/**
 * One-dimensional, from 1; an empty array has no dimension: 12 bytes. By index: for arrays of so many
 * kinds an iterator is not compiled away, and makes an object for each element.
 */
function encode<T>({ oid, bytes, write }: ElementType<T>, elements: readonly (T | null)[]): Buffer {
  const header = elements.length === 0 ? 12 : 20
  let size = header
  let hasNull = 0
  for (let index = 0; index < elements.length; index++) {
    const element = elements[index] as T | null
    if (element === null) hasNull = 1
    size += 4 + (element === null ? 0 : bytes(element))
  }
  const buffer = Buffer.allocUnsafe(size)
  buffer.writeInt32BE(elements.length === 0 ? 0 : 1, 0)
  buffer.writeInt32BE(hasNull, 4)
  buffer.writeInt32BE(oid, 8)
  if (elements.length === 0) return buffer
  buffer.writeInt32BE(elements.length, 12)
  buffer.writeInt32BE(1, 16)
  let at = header
  for (let index = 0; index < elements.length; index++) {
    const element = elements[index] as T | null
    at = buffer.writeInt32BE(element === null ? -1 : bytes(element), at)
    if (element !== null) at = write(buffer, element, at)
  }
  return buffer
}

const UUID: ElementType<string> = { oid: OID.uuid, bytes: () => UUID_BYTES, write: writeUuid }
const INT8: ElementType<number> = { oid: OID.int8, bytes: () => 8, write: writeInt8 }
const INT2: ElementType<number> = {
  oid: OID.int2,
  bytes: () => 2,
  write: (buffer, number, at) => buffer.writeInt16BE(number, at),
}
const TID: ElementType<number> = { oid: OID.tid, bytes: () => 6, write: writeTid }
const TIMESTAMPTZ: ElementType<number> = { oid: OID.timestamptz, bytes: () => 8, write: writeTime }
const TAG: ElementType<Uint8Array> = { oid: OID.int8, bytes: lengthOf, write: writeBytes }
const BYTEA: ElementType<Sealed> = { oid: OID.bytea, bytes: lengthOf, write: writeSealed }

/** `uuid[]` from UUIDs in canonical form. */
export function uuidArray(ids: readonly string[]): Buffer {
  return encode(UUID, ids)
}

/** `bigint[]` from safe integers. */
export function bigintArray(numbers: readonly (number | null)[]): Buffer {
  return encode(INT8, numbers)
}

/** `bigint[]` from tags: their 8 bytes are the number's. */
export function tagArray(tags: readonly Uint8Array[]): Buffer {
  return encode(TAG, tags)
}

/** `smallint[]`. */
export function smallintArray(numbers: readonly (number | null)[]): Buffer {
  return encode(INT2, numbers)
}

/** `tid[]` from places as the connection's parser has them: a block's number times 65,536, and the item in it. */
export function tidArray(places: readonly number[]): Buffer {
  return encode(TID, places)
}

/** `timestamptz[]` from milliseconds since 1970; Infinity is Postgres'. */
export function timestamptzArray(timesMs: readonly number[]): Buffer {
  return encode(TIMESTAMPTZ, timesMs)
}

/** `bytea[]`. */
export function byteaArray(values: readonly Sealed[]): Buffer {
  return encode(BYTEA, values)
}

// Where in the text the two digits of each byte are, and what a character is worth.
const DIGITS_AT = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const
const VALUES = new Uint8Array(128)
for (const [value, digit] of [...'0123456789abcdef'].entries()) VALUES[digit.charCodeAt(0)] = value

/** Writes a UUID's 16 bytes, and returns where they end. */
export function writeUuid(buffer: Buffer, id: string, at: number): number {
  for (const digit of DIGITS_AT) {
    const high = VALUES[id.charCodeAt(digit)] ?? 0
    const low = VALUES[id.charCodeAt(digit + 1)] ?? 0
    buffer[at++] = (high << 4) | low
  }
  return at
}

function writeInt8(buffer: Buffer, number: number, at: number): number {
  const high = Math.floor(number / 2 ** 32)
  buffer.writeInt32BE(high, at)
  return buffer.writeUInt32BE(number - high * 2 ** 32, at + 4)
}

function writeTid(buffer: Buffer, place: number, at: number): number {
  const block = Math.floor(place / 2 ** 16)
  return buffer.writeUInt16BE(place - block * 2 ** 16, buffer.writeUInt32BE(block, at))
}

// Microseconds since 2000; the largest is infinity.
const EPOCH_MS = Date.UTC(2000, 0, 1)

function writeTime(buffer: Buffer, timeMs: number, at: number): number {
  if (timeMs !== Infinity) return writeInt8(buffer, (timeMs - EPOCH_MS) * 1_000, at)
  return buffer.writeUInt32BE(0xffffffff, buffer.writeUInt32BE(0x7fffffff, at))
}

function writeBytes(buffer: Buffer, bytes: Uint8Array, at: number): number {
  buffer.set(bytes, at)
  return at + bytes.length
}

function writeSealed(buffer: Buffer, sealed: Sealed, at: number): number {
  if (sealed instanceof Uint8Array) return writeBytes(buffer, sealed, at)
  return writeBytes(buffer, sealed.binding, writeBytes(buffer, sealed.body, at))
}

function lengthOf({ length }: Sealed): number {
  return length
}
