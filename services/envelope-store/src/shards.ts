// Which shard an account's rows lie in. On Citus the tables are distributed by account_id; a statement
// that locks is taken only where all its accounts lie in one shard. So each statement is issued once
// for each shard that it concerns, shards in order, accounts in order within: one order of locks for
// everybody. Plain Postgres is the case of one shard.
//
// A connection reads the shards when it is new. Where shards are split, envelope-store is restarted.

import type { AccountId } from '@twotick/protocol'
import { UUID_BYTES, writeUuid } from './binary-array.ts'

export interface Shards {
  readonly isDistributed: boolean
  /** Items of a shard together, shards in order, items in theirs. No items: no group. */
  group<T>(items: readonly T[], accountOf: (item: T) => AccountId): readonly (readonly T[])[]
}

const ONE: Shards = {
  isDistributed: false,
  group: (items) => (items.length === 0 ? [] : [items]),
}

interface Client {
  query<R extends object>(text: string): Promise<{ rows: R[] }>
}

const known = new WeakMap<object, Shards>()

/** The shards as this connection has read them. */
export function shardsOf(client: object): Shards {
  return known.get(client) ?? ONE
}

// That the table is there is looked for first: where it is not, its name is an error.
const HAS_CITUS_SQL = `select to_regclass('pg_catalog.pg_dist_shard') is not null as "hasCitus"`

const SHARDS_SQL = `
  select array_agg(shardminvalue::int order by shardminvalue::int) as starts,
         worker_hash('00000000-0000-0000-0000-000000000000'::uuid) as "hashOfZero"
    from pg_catalog.pg_dist_shard where logicalrelid = 'mailbox.mailbox'::regclass`

/** Reads the shards of a new connection. */
export async function readShards(client: Client): Promise<Shards> {
  const has = await client.query<{ hasCitus: boolean }>(HAS_CITUS_SQL)
  if (has.rows[0]?.hasCitus !== true) return ONE
  const { rows } = await client.query<{ starts: number[] | null; hashOfZero: number }>(SHARDS_SQL)
  const [row] = rows
  if (row === undefined || row.starts === null) return ONE
  if (row.hashOfZero !== hashOf('00000000-0000-0000-0000-000000000000' as AccountId)) {
    throw new Error('Citus hashes an account otherwise than envelope-store does')
  }
  const shards = distributed(row.starts)
  known.set(client, shards)
  return shards
}

/** Shards by the least hash of each, ascending. */
export function distributed(starts: readonly number[]): Shards {
  const shardOf = (accountId: AccountId) => {
    const hash = hashOf(accountId)
    return starts.findLastIndex((start) => start <= hash)
  }
  return {
    isDistributed: true,
    group(items, accountOf) {
      const groups = Map.groupBy(items, (item) => shardOf(accountOf(item)))
      return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group)
    },
  }
}

const CITUS_ONLY = /\/\* on Citus: (.*?) \*\//g
const NOT_ON_CITUS = /\/\* not on Citus: \*\/.*?\/\* \. \*\//g

/**
 * A statement as Citus wants it: with what stands in its comments `on Citus: …`, and without what
 * stands between `not on Citus:` and a dot, these in comments.
 */
export function onCitus(text: string): string {
  return text.replaceAll(CITUS_ONLY, '$1').replaceAll(NOT_ON_CITUS, '')
}

// Postgres' hash of 16 bytes (hash_bytes, Bob Jenkins' lookup3), by which Citus chooses the shard.
const INITIAL = (0x9e3779b9 + UUID_BYTES + 3923095) | 0

const bytes = Buffer.alloc(UUID_BYTES)

/** What `worker_hash` says of an account: a signed 32-bit number. */
export function hashOf(accountId: AccountId): number {
  writeUuid(bytes, accountId, 0)
  let a = (INITIAL + bytes.readInt32LE(0)) | 0
  let b = (INITIAL + bytes.readInt32LE(4)) | 0
  let c = (INITIAL + bytes.readInt32LE(8)) | 0
  // mix
  a = ((a - c) | 0) ^ rotate(c, 4)
  c = (c + b) | 0
  b = ((b - a) | 0) ^ rotate(a, 6)
  a = (a + c) | 0
  c = ((c - b) | 0) ^ rotate(b, 8)
  b = (b + a) | 0
  a = ((a - c) | 0) ^ rotate(c, 16)
  c = (c + b) | 0
  b = ((b - a) | 0) ^ rotate(a, 19)
  a = (a + c) | 0
  c = ((c - b) | 0) ^ rotate(b, 4)
  b = (b + a) | 0
  // final, with the last four bytes
  a = (a + bytes.readInt32LE(12)) | 0
  c = ((c ^ b) - rotate(b, 14)) | 0
  a = ((a ^ c) - rotate(c, 11)) | 0
  b = ((b ^ a) - rotate(a, 25)) | 0
  c = ((c ^ b) - rotate(b, 16)) | 0
  a = ((a ^ c) - rotate(c, 4)) | 0
  b = ((b ^ a) - rotate(a, 14)) | 0
  return ((c ^ b) - rotate(b, 24)) | 0
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
