// Postgres arrays in their binary form, back to values: what services/envelope-store/src/binary-array.ts
// makes for the real Postgres.

type Element = Buffer | null

/** None where there is no array: all are null. */
function elements(array: unknown): Element[] {
  if (array === null) return []
  const buffer = array as Buffer
  if (buffer.length === 12) return []
  const found: Element[] = []
  for (let at = 20; at < buffer.length;) {
    const length = buffer.readInt32BE(at)
    at += 4
    found.push(length === -1 ? null : buffer.subarray(at, at + length))
    at += Math.max(0, length)
  }
  return found
}

export function uuids(array: unknown): string[] {
  return elements(array).map((bytes) => {
    const hex = bytes?.toString('hex') ?? ''
    const part = (from: number, to: number) => hex.slice(from, to)
    return `${part(0, 8)}-${part(8, 12)}-${part(12, 16)}-${part(16, 20)}-${part(20, 32)}`
  })
}

export function bigints(array: unknown): (number | null)[] {
  return elements(array).map(
    (bytes) => bytes && bytes.readInt32BE(0) * 2 ** 32 + bytes.readUInt32BE(4),
  )
}

export function smallints(array: unknown): (number | null)[] {
  return elements(array).map((bytes) => bytes && bytes.readInt16BE(0))
}

/** Places of rows, as envelope-store has them. */
export function tids(array: unknown): number[] {
  return elements(array).map((bytes) => bytes!.readUInt32BE(0) * 2 ** 16 + bytes!.readUInt16BE(4))
}

/** Times, in milliseconds since 1970. */
export function timesMs(array: unknown): number[] {
  const infinity = 2 ** 63 - 1
  return bigints(array).map((micros) =>
    micros === infinity ? Infinity : micros! / 1_000 + Date.UTC(2000, 0, 1),
  )
}

/** Elements as bytes: of a `bytea[]`, or the eight of each tag in a `bigint[]`. */
export function byteStrings(array: unknown): Buffer[] {
  return elements(array).map((bytes) => bytes ?? Buffer.alloc(0))
}
