// Reconciliation: doorbells may be lost, so each live session is compared with the store, in
// batches, every few seconds and at once after the bus was away. A session that is behind catches
// up; a device without a cursor was unlinked; a session that is not the newest was replaced.

import { unary } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import type { EnvelopeStoreClient, Head } from '@twotick/protocol/services'
import type { LiveSession } from './connection.ts'
import type { Epochs } from './epoch.ts'
import type { GatewayEvents } from './events.ts'
import type { Registry } from './registry.ts'

/** Sessions of one call; the store takes a thousand. */
const BATCH_MAX = 500
const CALL_MS = 2_000

/** A round is spread over so many looks, so that the store is not asked for all at once. */
const LOOKS = 8

export interface ReconcileOptions {
  readonly reconcileMs: number
  readonly signal: AbortSignal
}

export interface Reconciliation {
  /** Compares all sessions, beginning at once. */
  soon(): void
  readonly ended: Promise<void>
}

export function reconcile(
  parts: { registry: Registry; store: EnvelopeStoreClient; epochs: Epochs; events: GatewayEvents },
  { reconcileMs, signal }: ReconcileOptions,
): Reconciliation {
  const { registry, store, epochs, events } = parts
  /** When each session was last compared; a new one has just read all from the store. */
  const comparedAt = new WeakMap<LiveSession, number>()
  const pause = createPause(reconcileMs / LOOKS, signal)

  async function look(now: number): Promise<void> {
    const due: LiveSession[] = []
    for (const session of registry.all()) {
      const at = comparedAt.get(session)
      if (at === undefined) comparedAt.set(session, now)
      else if (now - at >= reconcileMs) due.push(session)
    }
    for (let first = 0; first < due.length && !signal.aborted; first += BATCH_MAX) {
      const some = due.slice(first, first + BATCH_MAX)
      for (const session of some) comparedAt.set(session, now)
      try {
        await compare(some)
      } catch (error) {
        for (const session of some) comparedAt.set(session, -Infinity)
        throw error
      }
    }
  }

  async function compare(sessions: readonly LiveSession[]): Promise<void> {
    const devices = sessions.map(({ device }) => device)
    const request = { epoch: epochs.current(), devices }
    const reply = await unary(store, 'getHeads', request, { deadlineMs: CALL_MS, signal })
    epochs.meet(reply.epoch)
    for (const [index, head] of reply.heads.entries()) {
      const session = sessions[index]
      if (session !== undefined && session.epoch === reply.epoch) judge(session, head)
    }
  }

  function judge(session: LiveSession, head: Head) {
    const end = (code: RefusalCode) => session.end({ code, detail: '', retryAfterMs: 0 })
    if (!head.hasCursor) end(RefusalCode.UNLINKED)
    else if (head.session > session.number) end(RefusalCode.REPLACED)
    else if (session.rung(head.headSeq, [])) events.doorbellLost()
  }

  async function keep(): Promise<void> {
    while (!signal.aborted) {
      await look(performance.now()).catch((error: unknown) => {
        if (!signal.aborted) events.failed('heads could not be read', error)
      })
      await pause.over()
    }
  }

  return {
    soon() {
      for (const session of registry.all()) comparedAt.set(session, -Infinity)
      pause.end()
    },
    ended: keep(),
  }
}

/** Waits between looks. Ended while none is under way, the next one is over at once. */
function createPause(pauseMs: number, signal: AbortSignal) {
  let isEnded = signal.aborted
  let wake: (() => void) | undefined
  function end(): void {
    isEnded = true
    wake?.()
  }
  signal.addEventListener('abort', end, { once: true })
  return {
    end,
    async over(): Promise<void> {
      if (!isEnded) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pauseMs)
          wake = () => (clearTimeout(timer), resolve())
        })
      }
      isEnded = false
    },
  }
}
