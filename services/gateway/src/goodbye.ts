// Sending many sessions away without a storm of reconnects: one after the other over a while, each
// with its own time to come back.

import { setTimeout as sleep } from 'node:timers/promises'
import { RefusalCode } from '@twotick/protocol'
import type { LiveSession } from './connection.ts'
import type { GatewayEvents } from './events.ts'
import type { Listener } from './listener.ts'
import type { Registry } from './registry.ts'

const STEP_MS = 50
const RETRY_AFTER_MS = 1_000

export interface GoodbyePace {
  readonly overMs: number
  /** Devices come back between so much and three times as much later. */
  readonly retryAfterMs: number
}

/** Drains the gateway: takes no new connection and sends every session away. */
export async function drain(
  listener: Listener,
  registry: Registry,
  { overMs, events }: { overMs: number; events: GatewayEvents },
): Promise<void> {
  listener.stop()
  const sessions = registry.all()
  events.draining(sessions.length)
  await sayGoodbye(sessions, RefusalCode.GOING_AWAY, { overMs, retryAfterMs: RETRY_AFTER_MS })
}

/** Ends the sessions, evenly over `overMs`, each once what it has sent is answered. */
export async function sayGoodbye(
  sessions: readonly LiveSession[],
  code: RefusalCode,
  { overMs, retryAfterMs }: GoodbyePace,
): Promise<void> {
  const steps = Math.max(1, Math.ceil(overMs / STEP_MS))
  const perStep = Math.max(1, Math.ceil(sessions.length / steps))
  const leaving: Promise<void>[] = []
  for (let first = 0; first < sessions.length; first += perStep) {
    if (first > 0) await sleep(STEP_MS)
    for (const session of sessions.slice(first, first + perStep)) {
      leaving.push(session.finish({ code, detail: '', retryAfterMs: jittered(retryAfterMs) }))
    }
  }
  await Promise.all(leaving)
}

/** Between once and three times as much. */
export function jittered(ms: number): number {
  return Math.round(ms * (1 + 2 * Math.random()))
}
