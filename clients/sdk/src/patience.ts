// How long this side waits without a word while the relay owes it one: a Welcome, or the answer to a
// send. The relay answers within 2 s or ends the session, whatever has stopped behind its gateway; so
// much silence means that the gateway itself stands still, or the way to it, and a new connection may
// find another one.
//
// A way that is only slow must not be given up for ever: who meets the end of its patience has twice
// as much the next time (connection.ts).

/** What the relay takes at the most, and as much for the way. */
export const PATIENCE_MS = 4_000
export const PATIENCE_MAX_MS = 32_000

/** After a process that stood still itself: what lies in its socket is heard first. */
const LAST_LOOK_MS = 100

export interface Patience {
  /** A word is owed, for so long at the most; undefined: none is. */
  waits(ms: number | undefined): void
  heard(): void
}

export function createPatience(exhausted: () => void): Patience {
  let limitMs: number | undefined
  let since = 0
  let isLastLook = false
  let timer: ReturnType<typeof setTimeout> | undefined

  function look(): void {
    timer = undefined
    if (limitMs === undefined) return
    const leftMs = since + limitMs - performance.now()
    if (leftMs <= 0 && isLastLook) return exhausted()
    isLastLook = leftMs <= 0
    timer = setTimeout(look, isLastLook ? LAST_LOOK_MS : leftMs)
  }

  return {
    waits(ms) {
      if (limitMs === undefined) since = performance.now()
      limitMs = ms
      if (ms === undefined) clearTimeout(timer)
      timer = ms === undefined ? undefined : (timer ?? setTimeout(look, ms))
    },
    heard: () => void (since = performance.now()),
  }
}
