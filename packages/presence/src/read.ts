// Reading presence: who holds the devices of many accounts, in one round trip however many, or two
// where a gateway turns up that was not there lately.

import type { Redis } from 'ioredis'
import { type Holder, leaseKey, parseHolder, presenceKey } from './keys.ts'

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

/** What is written of the accounts, and then which of the gateways have a lease: one round trip. */
async function ask(redis: Redis, accountIds: readonly string[], gatewayIds: readonly string[]) {
  const pipeline = redis.pipeline()
  for (const accountId of accountIds) pipeline.hgetall(presenceKey(accountId))
  for (const gatewayId of gatewayIds) pipeline.exists(leaseKey(gatewayId))
  const found = await replies(pipeline.exec(), accountIds.length + gatewayIds.length)
  const hashes = found.slice(0, accountIds.length) as Record<string, string>[]
  const leases = found.slice(accountIds.length) as number[]
  return {
    written: new Map(
      accountIds.map((id, index) => [id, readHolders(hashes[index] ?? {})] as const),
    ),
    leased: new Set(gatewayIds.filter((_, index) => leases[index] === 1)),
  }
}

function readHolders(hash: Record<string, string>): Holder[] {
  return Object.entries(hash)
    .map(([deviceId, value]) => parseHolder(deviceId, value))
    .filter((holder) => holder !== undefined)
}

/** The values of a pipeline's replies. Throws if one is an error or they are not as many. */
async function replies(
  executing: Promise<[error: Error | null, result: unknown][] | null>,
  count: number,
): Promise<unknown[]> {
  const results = (await executing) ?? []
  if (results.length !== count) throw new Error('presence: replies are missing')
  return results.map(([error, value]) => {
    if (error) throw error
    return value
  })
}
