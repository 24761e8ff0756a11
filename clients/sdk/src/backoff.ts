// How long to wait before the next connection: full jitter, so that a thousand devices that lost
// the same gateway do not come back in one moment.

const BASE_MS = 500
const MAX_MS = 30_000

/** Before attempt `failures` (from 1), at least as long as the relay asked for. */
export function backoffMs(failures: number, retryAfterMs: number, random: () => number): number {
  const ceiling = Math.min(MAX_MS, BASE_MS * 2 ** Math.min(failures - 1, 16))
  return retryAfterMs + random() * (retryAfterMs > 0 ? BASE_MS : ceiling)
}
