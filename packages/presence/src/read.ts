// Reading presence: who holds the devices of many accounts, in one round trip however many, or two
// where a gateway turns up that was not there lately.

import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import { type Holder, leaseKey, parseHolder, presenceKey } from './keys.ts'

// One command, not one for each account: ioredis' objects for a command cost more than all the rest,
// and V8 keeps each until a whole collection (see chassis' postgres-client.ts, which knows why).
const READ = readFileSync(new URL('./read.lua', import.meta.url), 'utf8')

/** Gateways whose lease is asked for before it is known that they are needed. */
const GUESSED_MAX = 8

/** The gateways that were met last, of each connection to Redis. */
const met = new WeakMap<Redis, ReadonlySet<string>>()

/**
 * The holders of each account's devices. An account without any is not in the map. A holder whose
 * gateway has no lease does not count: that gateway is gone, or it will write its sessions again.
 * Throws if Redis does not answer; the deadline is the caller's.
 */
export async function readPresence(
  redis: Redis,
  accountIds: Iterable<string>,
): Promise<Map<string, Holder[]>> {
  const guessed = [...(met.get(redis) ?? [])]
  const { written, leased } = await ask(redis, [...new Set(accountIds)], guessed)
  const gatewayIds = new Set([...written.values()].flat().map((holder) => holder.gatewayId))
  const unasked = [...gatewayIds.difference(new Set(guessed))]
  if (unasked.length > 0) {
    for (const gatewayId of (await ask(redis, [], unasked)).leased) leased.add(gatewayId)
  }
  const latest = [...leased.intersection(gatewayIds), ...leased.difference(gatewayIds)]
  met.set(redis, new Set(latest.slice(0, GUESSED_MAX)))
  const presence = new Map<string, Holder[]>()
  for (const [accountId, holders] of written) {
    const counting = holders.filter((holder) => leased.has(holder.gatewayId))
    if (counting.length > 0) presence.set(accountId, counting)
  }
  return presence
}

/** What is written of the accounts, and which of the gateways have a lease: one round trip. */
async function ask(redis: Redis, accountIds: readonly string[], gatewayIds: readonly string[]) {
  const keys = [...accountIds.map(presenceKey), ...gatewayIds.map(leaseKey)]
  const found = (await redis.eval_ro(READ, keys.length, ...keys, accountIds.length)) as unknown[]
  return {
    written: new Map(
      accountIds.map((id, index) => [id, readHolders(found[index] as readonly string[])] as const),
    ),
    leased: new Set(gatewayIds.filter((_, index) => found[accountIds.length + index] === 1)),
  }
}

/** From fields and values in turn, as HGETALL has them. */
function readHolders(hash: readonly string[]): Holder[] {
  const holders: Holder[] = []
  for (let index = 0; index < hash.length; index += 2) {
    const holder = parseHolder(hash[index] ?? '', hash[index + 1] ?? '')
    if (holder !== undefined) holders.push(holder)
  }
  return holders
}
