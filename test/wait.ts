// Waiting for something to become true. Tests never sleep: they poll a condition with a deadline,
// so a fast machine is not slowed down and a slow one does not fail.

import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 10

export interface WaitOptions {
  /** What is waited for, for the error message. */
  what?: string
  /** Default: 10 s. */
  deadlineMs?: number
}

/**
 * Polls until `condition` returns something truthy, and returns that. An error that it throws counts
 * as "not yet"; the last one is the cause of the error at the deadline.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what = 'a condition', deadlineMs = 10_000 }: WaitOptions = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + deadlineMs
  let last: unknown
  for (;;) {
    try {
      const result = await condition()
      if (result) return result
      last = undefined
    } catch (error) {
      last = error
    }
    if (performance.now() >= deadline) {
      throw new Error(`waited ${deadlineMs} ms in vain for ${what}`, { cause: last })
    }
    await sleep(POLL_MS)
  }
}
