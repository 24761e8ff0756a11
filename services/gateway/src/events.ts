// What happens here that an operator wants to know: one function for each event, with its counter
// and its log line. Nothing here names an account, nor carries a ciphertext.

import { LATENCY_SECONDS, type Logger, logSeldom, openMeter, refusalNames } from '@twotick/chassis'
import type { RefusalCode } from '@twotick/protocol'
import { createPushes } from './pushes.ts'

export type GatewayEvents = ReturnType<typeof createEvents>

const CODE_NAMES = refusalNames()

const SHED = {
  description: 'signals and ticks left out under load',
  values: ['signal', 'tick'],
}

export function createEvents(log: Logger) {
  const meter = openMeter('gateway')
  const about = (what: string) => `twotick.gateway.${what}`
  const opened = meter.counter(about('sessions_opened'), 'sessions opened')
  const ended = meter.counterBy(about('sessions_ended'), 'code', {
    description: 'sessions ended, by the code of the goodbye; none: the device left',
    values: ['none', ...CODE_NAMES.values()],
  })
  const refused = meter.counterBy(about('handshakes_refused'), 'code', {
    description: 'connections and handshakes refused',
    values: CODE_NAMES.values(),
  })
  const stored = meter.counter(about('stored'), 'sends answered with the first tick')
  const rejected = meter.counterBy(about('rejected'), 'code', {
    description: 'sends refused',
    values: CODE_NAMES.values(),
  })
  const firstTick = meter.histogram(
    about('first_tick_latency_seconds'),
    'from a send to its first tick',
    LATENCY_SECONDS,
  )
  const delivered = meter.counter(about('delivered'), 'ranges of second ticks pushed')
  const lost = meter.counter(
    about('doorbells_lost'),
    'sessions that reconciliation found behind: a doorbell was lost, or slower than that',
  )
  const shed = meter.counterBy(about('shed'), 'what', SHED)
  const warn = logSeldom(log)

  return {
    /** What sessions push. */
    pushes: createPushes(meter),
    opened() {
      opened.add()
    },
    ended(code: RefusalCode | undefined) {
      ended.add(nameOf(code))
    },
    refused(code: RefusalCode) {
      refused.add(nameOf(code))
    },
    /** `since` is when the send came (performance.now()). */
    stored(since: number) {
      stored.add()
      firstTick.record((performance.now() - since) / 1_000)
    },
    rejected(code: RefusalCode) {
      rejected.add(nameOf(code))
    },
    doorbellLost() {
      lost.add()
    },
    delivered(count: number) {
      delivered.add(count)
    },
    shed(what: 'signal' | 'tick') {
      shed.add(what)
    },
    failed(what: string, error: unknown) {
      warn(what, { error })
    },
    epochChanged(sessions: number) {
      log.warn({ sessions }, 'the store has another epoch: its sessions end')
    },
    draining(sessions: number) {
      log.info({ sessions }, 'telling the sessions to go')
    },
  }
}

function nameOf(code: RefusalCode | undefined): string {
  return code === undefined ? 'none' : (CODE_NAMES.get(code) ?? 'unknown')
}
