// Reading presence: who holds the devices of many accounts, in two round trips however many.

import type { Redis } from 'ioredis'
import { type Holder, leaseKey, parseHolder, presenceKey } from './keys.ts'

/**
 * The holders of each account's devices. An account without any is not in the map. A holder whose
 * gateway has no lease does not count: that gateway is gone, or it will write its sessions again.
 * Throws if Redis does not answer; the deadline is the caller's.
 */
export async function readPresence(
  redis: Redis,
  accountIds: Iterable<string>,
): Promise<Map<string, Holder[]>> {
  const written = await readWritten(redis, [...new Set(accountIds)])
  const gatewayIds = new Set([...written.values()].flat().map((holder) => holder.gatewayId))
  const leased = await readLeased(redis, [...gatewayIds])
  const presence = new Map<string, Holder[]>()
  for (const [accountId, holders] of written) {
    const counting = holders.filter((holder) => leased.has(holder.gatewayId))
    if (counting.length > 0) presence.set(accountId, counting)
  }
  return presence
}

async function readWritten(redis: Redis, accountIds: string[]): Promise<Map<string, Holder[]>> {
  const pipeline = redis.pipeline()
  for (const accountId of accountIds) pipeline.hgetall(presenceKey(accountId))
  const hashes = await replies<Record<string, string>>(pipeline.exec(), accountIds.length)
  return new Map(
    accountIds.map((accountId, index) => [accountId, readHolders(hashes[index] ?? {})] as const),
  )
}

function readHolders(hash: Record<string, string>): Holder[] {
  return Object.entries(hash)
    .map(([deviceId, value]) => parseHolder(deviceId, value))
    .filter((holder) => holder !== undefined)
}

/** Which of the gateways have a lease: one command each, as a cluster has them on any node. */
async function readLeased(redis: Redis, gatewayIds: string[]): Promise<Set<string>> {
  if (gatewayIds.length === 0) return new Set()
  const pipeline = redis.pipeline()
  for (const gatewayId of gatewayIds) pipeline.exists(leaseKey(gatewayId))
  const found = await replies<number>(pipeline.exec(), gatewayIds.length)
  return new Set(gatewayIds.filter((_, index) => found[index] === 1))
}

/** The values of a pipeline's replies. Throws if one is an error or they are not as many. */
async function replies<T>(
  executing: Promise<[error: Error | null, result: unknown][] | null>,
  count: number,
): Promise<T[]> {
  const results = (await executing) ?? []
  if (results.length !== count) throw new Error('presence: replies are missing')
  return results.map(([error, value]) => {
    if (error) throw error
    return value as T
  })
}
