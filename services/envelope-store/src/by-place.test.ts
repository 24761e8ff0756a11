import { expect, test } from 'vitest'
import { tidArray } from './binary-array.ts'
import { byPlace } from './by-place.ts'

test('rows with places are in the order of these, the others in theirs', () => {
  // Goal: a row's values are found by the rank of its place.
  const [late, early, none, written] = [{ ctid: 9 }, { ctid: 2 }, {}, { ctid: undefined }]
  expect(byPlace([late, none, early, written])).toEqual({
    placed: [early, late],
    others: [none, written],
  })
  expect(byPlace([late]).others).toEqual([])
})

test('a place is a block and an item in it, as Postgres reads them', () => {
  // Goal: also beyond the first 65,536 blocks, half a gigabyte.
  const element = tidArray([70_000 * 2 ** 16 + 12]).subarray(-6)
  expect([element.readUInt32BE(0), element.readUInt16BE(4)]).toEqual([70_000, 12])
})
