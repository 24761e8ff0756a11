// How many sessions a gateway opens. Where thousands of devices come at the same moment (the gateway
// that they had is gone), those that are connected go on meanwhile: an opening costs the relay as much
// as dozens of messages, and would otherwise be ahead of all of them. So there are so many a second
// and no more; only the first ones after a pause come without one.
//
// A device waits for its turn as long as it can still be opened in time. One that would wait longer is
// told at once when to come back: when those ahead of it will be through.

const WAIT_MS_MAX = 1_000
/** What was not used in this time may be used at once. */
const SPARED_MS_MAX = 100
/** Where they take long, too many at once would only be in each other's way. */
const AT_ONCE_MAX = 4
const AWAY_MS = [1_000, 120_000] as const
/** A little later than they could, so that nobody is sent away again. */
const AWAY_LONGER = 1.1

export interface Openings {
  /** Resolves once it is this one's turn; undefined: come back later, see `awayMs`. */
  enter(): Promise<Turn | undefined>
  /** After how many whole ms a device that found no turn should come back. */
  awayMs(): number
}

export interface Turn {
  /** What was refused counts for nothing: whoever cannot prove who they are keeps nobody waiting. */
  leave(isOpened: boolean): void
}

export function createOpenings(perSecond: number): Openings {
  const everyMs = 1_000 / perSecond
  const waiting = new Set<(turn: Turn | undefined) => void>()
  let open = 0
  let nextAt = -Infinity
  let timer: NodeJS.Timeout | undefined
  const away = countAway(everyMs)

  function leftMs(): number {
    const now = performance.now()
    nextAt = Math.max(nextAt, now - SPARED_MS_MAX)
    return nextAt - now
  }

  function begin(): Turn {
    nextAt += everyMs
    open += 1
    away.cameBack()
    return {
      leave(isOpened) {
        open -= 1
        if (!isOpened) nextAt -= everyMs
        pass()
      },
    }
  }

  function pass(): void {
    while (waiting.size > 0 && open < AT_ONCE_MAX) {
      const ms = leftMs()
      if (ms > 0) {
        clearTimeout(timer)
        timer = setTimeout(pass, ms)
        return
      }
      const [next] = waiting
      next?.(begin())
    }
  }

  function wait(): Promise<Turn | undefined> {
    return new Promise((resolve) => {
      const settle = (turn: Turn | undefined) => {
        clearTimeout(late)
        waiting.delete(settle)
        resolve(turn)
      }
      const late = setTimeout(() => {
        away.add()
        settle(undefined)
      }, WAIT_MS_MAX)
      waiting.add(settle)
      pass()
    })
  }

  return {
    async enter() {
      if (leftMs() + waiting.size * everyMs <= WAIT_MS_MAX) return wait()
      away.add()
      return undefined
    },
    awayMs() {
      const [least, most] = AWAY_MS
      const ms = AWAY_LONGER * (leftMs() + (waiting.size + away.count()) * everyMs)
      return Math.round(Math.min(most, Math.max(least, ms)))
    },
  }
}

/**
 * Sent away, less those that had their turn since: about how many are still to come back. Whoever has
 * not after the longest wait, or twice that, came to another gateway, or never will.
 */
function countAway(everyMs: number) {
  const [, longestMs] = AWAY_MS
  let [before, lately] = [0, 0]
  let since = -Infinity

  function turnOver(): void {
    const now = performance.now()
    if (now - since <= longestMs) return
    before = now - since > 2 * longestMs ? 0 : lately
    lately = 0
    since = now
  }

  return {
    count: () => Math.min(before + lately, longestMs / everyMs),
    cameBack(): void {
      if (before > 0) before -= 1
      else lately = Math.max(0, lately - 1)
    },
    add(): void {
      turnOver()
      lately += 1
    },
  }
}
