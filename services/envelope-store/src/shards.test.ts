import type { AccountId } from '@twotick/protocol'
import { expect, test } from 'vitest'
import { distributed, hashOf, onCitus } from './shards.ts'

const ZERO = '00000000-0000-0000-0000-000000000000' as AccountId // hash 1353656403
const OTHER = '7c9e6679-7425-40de-944b-e07fc1f90ae7' as AccountId // hash 1359401921

test('an account has the hash that Citus gives it', () => {
  // Goal: the shard of an account is found without asking (test/shards.test.ts asks Postgres).
  expect(hashOf(ZERO)).toBe(1_353_656_403)
  expect(hashOf(OTHER)).toBe(1_359_401_921)
})

test('items of a shard are together, shards in order, items in theirs', () => {
  // Goal: one order of locks for everybody.
  const shards = distributed([-(2 ** 31), 0, 1_359_000_000])
  const items = [OTHER, ZERO, OTHER].map((accountId, index) => ({ accountId, index }))
  const groups = shards.group(items, (item) => item.accountId)
  expect(groups.map((group) => group.map((item) => item.index))).toEqual([[1], [0, 2]])
  expect(shards.group([], () => ZERO)).toEqual([])
})

test('a statement for Citus has what its comments say, over several lines too', () => {
  // Goal: one text for both, and nothing of another comment.
  const text = 'select 1 /* why */\n where true /* on Citus: and a = 1 */ /* on Citus: for share */'
  expect(onCitus(text)).toBe('select 1 /* why */\n where true and a = 1 for share')
  expect(onCitus('a /* not on Citus: */ offset 0 /* . */) b /* not on Citus: */ x /* . */')).toBe(
    'a ) b ',
  )
})
