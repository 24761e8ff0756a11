// A gateway's lease: one key that is there as long as the gateway refreshes it, instead of a
// heartbeat for each device. Where presence may have been lost (the lease was found gone, Redis was
// reconnected to, a write failed, or a day has passed) the gateway writes its sessions again.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { LEASE_MS, LEASE_REFRESH_MS, leaseKey, PRESENCE_REWRITE_MS } from './keys.ts'

export interface LeaseOptions {
  readonly gatewayId: string
  /** Writes the presence of every live session (`writePresences`); repeated until it resolves. */
  readonly rewrite: () => Promise<unknown>
  /** Told of each refresh or rewrite that failed; the next one is at the next refresh. */
  readonly onFailure: (error: unknown) => void
  readonly signal: AbortSignal
  readonly refreshMs?: number
  readonly rewriteMs?: number
}

export interface Lease {
  /** A write of presence has failed: write everything again at the next refresh. */
  rewriteSoon(): void
  /** Resolves when the signal has aborted and nothing is under way; never rejects. */
  readonly ended: Promise<void>
}

/** Sets the lease for another 15 s; tells whether it was gone before. */
export async function refreshLease(redis: Redis, gatewayId: string): Promise<{ wasGone: boolean }> {
  const before = await redis.set(leaseKey(gatewayId), '1', 'PX', LEASE_MS, 'GET')
  return { wasGone: before === null }
}

/** Gives the lease back: from now on nothing that this gateway has written counts. */
export async function dropLease(redis: Redis, gatewayId: string): Promise<void> {
  await redis.del(leaseKey(gatewayId))
}

/** Refreshes the lease at once and every 5 s from then on, until the signal aborts. */
export function keepLease(redis: Redis, options: LeaseOptions): Lease {
  const { gatewayId, rewrite, onFailure, signal } = options
  const { refreshMs = LEASE_REFRESH_MS, rewriteMs = PRESENCE_REWRITE_MS } = options
  let owesRewrite = false
  let rewrittenAt = performance.now()
  let rewriting: Promise<void> | undefined
  const rewriteSoon = () => {
    owesRewrite = true
  }

  /** Beside the refreshing, which a long rewrite must not hold up. */
  async function rewriteOnce(): Promise<void> {
    owesRewrite = false
    try {
      await rewrite()
      rewrittenAt = performance.now()
    } catch (error) {
      owesRewrite = true
      onFailure(error)
    }
    rewriting = undefined
  }

  async function refresh(): Promise<void> {
    try {
      const { wasGone } = await refreshLease(redis, gatewayId)
      const isDue = performance.now() - rewrittenAt >= rewriteMs
      if (wasGone || isDue) owesRewrite = true
      if (owesRewrite) rewriting ??= rewriteOnce()
    } catch (error) {
      onFailure(error)
    }
  }

  async function keep(): Promise<void> {
    // A Redis that was restored or failed over may have the lease and lack the latest presences.
    redis.on('ready', rewriteSoon)
    while (!signal.aborted) {
      await refresh()
      await sleep(refreshMs, undefined, { signal }).catch(() => undefined)
    }
    redis.off('ready', rewriteSoon)
    await rewriting
  }

  return { rewriteSoon, ended: keep() }
}
