// How long a device waits for its sends. Its session ends when
//
//   - no answer went to it for so long, while there was something to answer; or
//   - what is next to be answered has been at the services for so long.
//
// A device that sends far ahead of what can be done waits longer than that for its last send, and
// hears of the ones before it meanwhile. Where something has stopped, it hears of the session's end.

import type { LaneSend } from './lane.ts'

export interface Patience {
  /** There is something to answer. */
  begin(): void
  answered(): void
  end(): void
}

export function createPatience(
  lane: readonly LaneSend[],
  answerMs: number,
  exhausted: () => void,
): Patience {
  let answeredAt = -Infinity
  // One timer, while there is something. A lane's later sends are never due before its earlier ones.
  let timer: NodeJS.Timeout | undefined

  function look() {
    timer = undefined
    const [oldest] = lane
    if (oldest === undefined) return
    const leftMs = waitsSince(oldest, answeredAt) + answerMs - performance.now()
    if (leftMs > 0) timer = setTimeout(look, leftMs)
    else exhausted()
  }

  return {
    begin: () => void (timer ??= setTimeout(look, answerMs)),
    answered: () => void (answeredAt = performance.now()),
    end: () => clearTimeout(timer),
  }
}

function waitsSince({ since, passedAt }: LaneSend, answeredAt: number): number {
  const heardAt = Math.max(since, answeredAt)
  return Math.min(heardAt, passedAt ?? heardAt)
}
