// No session lasts for ever: after a day the device is sent away as by a gateway that leaves, and
// comes back at once by a new handshake. By that it is seen, although it may only receive, its key
// and version are checked again, and it may find a gateway that was added meanwhile.
//
// Each session has its own time, so that those that began together do not end together. One clock
// walks over all of them, instead of a timer for each.

import { RefusalCode } from '@twotick/protocol'
import type { LiveSession } from './connection.ts'
import { sayGoodbye } from './goodbye.ts'
import type { Registry } from './registry.ts'

const LOOK_MS = 10_000
const RETRY_AFTER_MS = 100

/** Sessions end up to this share of their time earlier. */
const SPREAD_SHARE = 0.25

export interface RenewalOptions {
  readonly sessionMs: number
  readonly signal: AbortSignal
}

export function renewSessions(
  registry: Pick<Registry, 'all'>,
  { sessionMs, signal }: RenewalOptions,
): void {
  const lookMs = Math.min(LOOK_MS, sessionMs / 20)
  /** When each one is to end; of one that has been told to, never. */
  const endsAt = new WeakMap<LiveSession, number>()

  function look(now: number) {
    const due: LiveSession[] = []
    for (const session of registry.all()) {
      const at = endsAt.get(session)
      if (at === undefined) {
        endsAt.set(session, now + sessionMs * (1 - SPREAD_SHARE * Math.random()))
      } else if (now >= at) {
        endsAt.set(session, Infinity)
        due.push(session)
      }
    }
    void sayGoodbye(due, RefusalCode.GOING_AWAY, { overMs: lookMs, retryAfterMs: RETRY_AFTER_MS })
  }

  const timer = setInterval(() => look(performance.now()), lookMs)
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
