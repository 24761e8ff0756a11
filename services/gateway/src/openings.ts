// How many sessions a gateway opens at once. Where thousands of devices come at the same moment (the
// gateway that they had is gone), those that are connected go on meanwhile: an opening costs the relay
// as much as dozens of messages, and would otherwise be ahead of all of them.
//
// A device waits for its turn as long as it can still be opened in time. One that would wait longer is
// told at once to come back, later the more there are.

const WAIT_MS_MAX = 1_000
/** As jittered: three times as much at the most. */
const AWAY_MS = [1_000, 10_000] as const
/** Of what openings have taken so far, against the newest one. */
const REMEMBERED = 0.9

export interface Openings {
  /** Resolves once it is this one's turn; undefined: come back later, see `awayMs`. */
  enter(): Promise<Turn | undefined>
  /** After which a device that found no turn should come back. */
  awayMs(): number
}

export interface Turn {
  /** How long those take that come to nothing says nothing: what they wait for may have stopped. */
  leave(isOpened: boolean): void
}

export function createOpenings(atOnceMax: number): Openings {
  const waiting: ((turn: Turn) => void)[] = []
  let open = 0
  let tookMs = 50
  /** Sent away, less the openings since: about how many are still to come back. */
  let away = 0

  const waitMs = (ahead: number) => (ahead * tookMs) / atOnceMax

  function begin(): Turn {
    open += 1
    const since = performance.now()
    return {
      leave(isOpened) {
        const ownMs = performance.now() - since
        if (isOpened) tookMs = REMEMBERED * tookMs + (1 - REMEMBERED) * ownMs
        open -= 1
        away = Math.max(0, away - 1)
        const next = waiting.shift()
        if (next !== undefined) next(begin())
      },
    }
  }

  return {
    async enter() {
      if (open < atOnceMax) return begin()
      if (waitMs(waiting.length + 1) > WAIT_MS_MAX) {
        away += 1
        return undefined
      }
      return new Promise((resolve) => waiting.push(resolve))
    },
    awayMs() {
      const [least, most] = AWAY_MS
      return Math.min(most, Math.max(least, waitMs(waiting.length + away)))
    },
  }
}
