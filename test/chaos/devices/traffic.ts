// One sender's traffic: to a random peer, at random moments around its pace. It waits while too much
// of it has no first tick, so that an outage piles up a bounded backlog.

import { setTimeout as sleep } from 'node:timers/promises'
import { type Device, RefusedError, StoppedError, type To } from '@twotick/sdk'
import type { Random } from '../random.ts'
import { makeBody } from './body.ts'
import type { DeviceStats } from './observed-device.ts'
import type { Load } from './orders.ts'

export interface TrafficOptions {
  readonly load: Load
  readonly peers: readonly To[]
  readonly random: Random
  readonly signal: AbortSignal
}

const FULL_WAIT_MS = 50

/** Sends until the signal, or until the device has stopped. */
export async function sendSteadily(
  device: Device,
  stats: DeviceStats,
  { load, peers, random, signal }: TrafficOptions,
): Promise<void> {
  const open = () => stats.attempted - stats.stored - stats.rejected
  await pause(random.next() * load.everyMs, signal)
  while (!signal.aborted) {
    if (open() >= load.outstandingMax) {
      await pause(FULL_WAIT_MS, signal)
      continue
    }
    stats.attempted++
    try {
      await device.send({ to: random.pick(peers), body: makeBody(load.bodyBytes) })
    } catch (error) {
      stats.attempted--
      if (error instanceof StoppedError) return
      // Its roster could not be had: a group's, while nobody answers.
      if (!(error instanceof RefusedError) && !isOutage(error)) throw error
      await pause(FULL_WAIT_MS, signal)
    }
    await pause(load.everyMs * 2 * random.next(), signal)
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof Error && error.name === 'OfflineError'
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
