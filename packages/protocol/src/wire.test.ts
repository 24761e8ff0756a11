// Goal: the wire format is the one that everybody else speaks, the library being the judge, and what is
// malformed is refused.

import * as library from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Up } from './generated/twotick/v1/device.ts'
import { BinaryReader, BinaryWriter } from './wire.ts'

const uint32 = fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 0xffff_ffff }))
const uint64 = fc.oneof(uint32, fc.maxSafeNat())
const text = fc.oneof(
  fc.uuid(),
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
)

type Field =
  | { kind: 'uint32' | 'int32' | 'uint64'; value: number }
  | { kind: 'bool'; value: boolean }
  | { kind: 'string'; value: string }
  | { kind: 'bytes'; value: Uint8Array }
  | { kind: 'nested'; value: Field[] }

const { fields } = fc.letrec<{ fields: Field[]; field: Field }>((tie) => ({
  fields: fc.array(tie('field'), { maxLength: 12 }),
  field: fc.oneof(
    { depthSize: 'small' },
    fc.record({ kind: fc.constant('uint32' as const), value: uint32 }),
    fc.record({ kind: fc.constant('int32' as const), value: fc.integer() }),
    fc.record({ kind: fc.constant('uint64' as const), value: uint64 }),
    fc.record({ kind: fc.constant('bool' as const), value: fc.boolean() }),
    fc.record({ kind: fc.constant('string' as const), value: text }),
    fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 5_000 }) }),
    fc.record({ kind: fc.constant('nested' as const), value: tie('fields') }),
  ),
}))

function write(writer: BinaryWriter | library.BinaryWriter, all: readonly Field[]): void {
  for (const { kind, value } of all) {
    if (kind === 'nested') {
      writer.fork()
      write(writer, value)
      writer.join()
    } else if (kind === 'bool') writer.bool(value)
    else if (kind === 'string') writer.string(value)
    else if (kind === 'bytes') writer.bytes(value)
    else writer[kind](value)
  }
}

function read(reader: BinaryReader | library.BinaryReader, all: readonly Field[]): unknown[] {
  return all.map(({ kind, value }) => {
    if (kind !== 'nested') return kind === 'uint64' ? Number(reader.uint64()) : reader[kind]()
    const end = reader.uint32() + reader.pos
    return [...read(reader, value), reader.pos === end]
  })
}

function valuesOf(all: readonly Field[]): unknown[] {
  return all.map(({ kind, value }) => (kind === 'nested' ? [...valuesOf(value), true] : value))
}

test('writes what the library writes, and reads what either has written', () => {
  fc.assert(
    fc.property(fields, (all) => {
      const [ours, theirs] = [new BinaryWriter(), new library.BinaryWriter()]
      write(ours, all)
      write(theirs, all)
      const bytes = ours.finish()
      expect(Buffer.from(bytes).equals(theirs.finish())).toBe(true)
      expect(read(new BinaryReader(bytes), all)).toEqual(valuesOf(all))
      expect(read(new library.BinaryReader(bytes), all)).toEqual(valuesOf(all))
    }),
  )
})

test('a message that is begun inside another one, or after one that failed, is its own', () => {
  const outer = new BinaryWriter()
  outer.string('outer')
  const inner = new BinaryWriter()
  inner.string('inner')
  expect(() => new BinaryWriter().uint32(-1)).toThrow('unsigned')
  expect(new BinaryReader(inner.finish()).string()).toBe('inner')
  const next = new BinaryWriter()
  next.string('next')
  expect(new BinaryReader(outer.finish()).string()).toBe('outer')
  expect(new BinaryReader(next.finish()).string()).toBe('next')
})

test('skips every kind of field, groups too, as the library does', () => {
  const group = [0x08, 0x96, 0x01, 0x13, 0x0a, 0x01, 0x61, 0x14, 0x0d, 1, 2, 3, 4, 0x0c]
  const cases: [number, number[]][] = [
    [0, [0xff, 0xff, 0x01]],
    [1, [1, 2, 3, 4, 5, 6, 7, 8]],
    [2, [2, 7, 7]],
    [3, group],
    [5, [1, 2, 3, 4]],
  ]
  for (const [wireType, bytes] of cases) {
    const [ours, theirs] = [
      new BinaryReader(new Uint8Array([...bytes, 9])),
      new library.BinaryReader(new Uint8Array([...bytes, 9])),
    ]
    ours.skip(wireType)
    theirs.skip(wireType)
    expect([wireType, ours.pos]).toEqual([wireType, theirs.pos])
  }
})

test('what is cut short, out of range or nested without end is refused', () => {
  const reader = (...bytes: number[]) => new BinaryReader(new Uint8Array(bytes))
  const forever = new Array<number>(11).fill(0x80)
  expect(() => reader(0x80).uint32()).toThrow('cut short')
  expect(() => reader(5, 1, 2).bytes()).toThrow('cut short')
  expect(() => reader(5, 65, 66).string()).toThrow('cut short')
  expect(() => reader(1, 2, 3).skip(5)).toThrow('cut short')
  expect(() => reader(...forever).uint32()).toThrow('varint')
  expect(() => reader(...forever).uint64()).toThrow('varint')
  expect(() => reader(...forever).bool()).toThrow('varint')
  expect(() => reader(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10).uint64()).toThrow('2^53')
  expect(() => reader(...new Array<number>(500).fill(0x0b)).skip(3)).toThrow('wire type')
  expect(() => reader(0).skip(6)).toThrow('wire type')
  expect(() => new BinaryWriter().uint64(2 ** 53)).toThrow('number')
  expect(() => new BinaryWriter().uint64(Number.NaN)).toThrow('number')
  expect(() => new BinaryWriter().int32(2 ** 31)).toThrow('32-bit')
})

test('a frame cut anywhere is read as a shorter one or refused, never beyond its end', () => {
  const tag = new Uint8Array(8).fill(7)
  const to = { to: { $case: 'accountId', value: '6f1c7c1e-8d8a-4a0e-9d6e-0f6a4f3f2a11' } } as const
  const content = { rosterVersion: 3, type: 1, lifetimeS: 60, ciphertext: tag, parts: [] } as const
  const value = { no: 2 ** 40, prevNo: 2 ** 40 - 1, tag, to, ...content, parts: [] }
  const bytes = Up.encode({ frame: { $case: 'send', value } }).finish()
  expect(Up.decode(bytes)).toEqual({ frame: { $case: 'send', value } })
  for (let length = 1; length < bytes.length; length++) {
    expect(() => Up.decode(bytes.subarray(0, length))).toThrow('cut short')
  }
})

test('an id is the same text each time, and another with the same end is another', () => {
  const told = (value: string) => {
    const bytes = new BinaryWriter().string(value).finish()
    return new BinaryReader(bytes).string()
  }
  const one = '00000000-0000-4000-8000-00000000abcd'
  const other = one.replace('0', '1')
  const lastButEnd = one.replace('0abcd', '1abcd')
  for (const id of [one, other, one, lastButEnd, other, one]) expect(told(id)).toBe(id)
  const notAscii = 'ä'.repeat(18)
  for (const each of [notAscii, one, notAscii]) expect(told(each)).toBe(each)
})
