// What happens here that an operator wants to know: one function for each event, with its counter
// and its log line. Nothing here names an account, nor carries a ciphertext.

import { metrics } from '@opentelemetry/api'
import type { Logger } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'

export type GatewayEvents = ReturnType<typeof createEvents>

/** A log line of one kind at most this often: an outage must not fill the disk. */
const LOG_EVERY_MS = 10_000

const CODE_NAMES = new Map(Object.entries(RefusalCode).map(([name, code]) => [code, name]))

export function createEvents(log: Logger) {
  const meter = metrics.getMeter('gateway')
  const connections = meter.createGauge('twotick.gateway.connections')
  const opened = meter.createCounter('twotick.gateway.sessions_opened')
  const ended = meter.createCounter('twotick.gateway.sessions_ended', {
    description: 'by the code of the goodbye; none: the device left',
  })
  const refused = meter.createCounter('twotick.gateway.handshakes_refused')
  const stored = meter.createCounter('twotick.gateway.stored', { description: 'first ticks' })
  const rejected = meter.createCounter('twotick.gateway.rejected')
  const pushed = meter.createCounter('twotick.gateway.pushed', { description: 'entries pushed' })
  const delivered = meter.createCounter('twotick.gateway.delivered', {
    description: 'ranges of second ticks pushed',
  })
  const shed = meter.createCounter('twotick.gateway.shed', {
    description: 'signals and ticks left out under load',
  })
  const warn = atMostEvery(LOG_EVERY_MS, log)

  return {
    connected(count: number) {
      connections.record(count)
    },
    opened() {
      opened.add(1)
    },
    ended(code: RefusalCode | undefined) {
      ended.add(1, { code: nameOf(code) })
    },
    refused(code: RefusalCode) {
      refused.add(1, { code: nameOf(code) })
    },
    stored() {
      stored.add(1)
    },
    rejected(code: RefusalCode) {
      rejected.add(1, { code: nameOf(code) })
    },
    pushed(count: number) {
      pushed.add(count)
    },
    delivered(count: number) {
      delivered.add(count)
    },
    shed(what: 'signal' | 'tick') {
      shed.add(1, { what })
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

function atMostEvery(intervalMs: number, log: Logger) {
  const last = new Map<string, number>()
  return (message: string, fields: object) => {
    const now = performance.now()
    if (now - (last.get(message) ?? -intervalMs) < intervalMs) return
    last.set(message, now)
    log.warn(fields, message)
  }
}
