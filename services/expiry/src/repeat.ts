// The rhythm of everything here: a round, a pause, the next round, until the service stops. Pauses
// have jitter, so that replicas drift apart; after a failure they double from half a second on.

import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '@twotick/chassis'

const BACKOFF = { firstMs: 1_000, maxMs: 60_000 }

export interface RepeatOptions {
  readonly intervalMs: number
  readonly signal: AbortSignal
  /** Told of every round that failed; the next one comes after a pause. */
  readonly onFailure: (error: unknown) => void
}

/** Runs `round` again and again; resolves when the signal has aborted. Never rejects. */
export async function repeat(
  round: (signal: AbortSignal) => Promise<unknown>,
  { intervalMs, signal, onFailure }: RepeatOptions,
): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    try {
      await round(signal)
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      failures += 1
      onFailure(error)
    }
    const pauseMs = failures === 0 ? withJitter(intervalMs) : backoffMs(failures, BACKOFF)
    await pause(pauseMs, signal)
  }
}

/** Waits; returns early, without an error, when the signal aborts. */
export async function pause(pauseMs: number, signal: AbortSignal): Promise<void> {
  await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
}

function withJitter(intervalMs: number): number {
  return intervalMs * (0.75 + Math.random() / 2)
}
