// What happens here that an operator wants to know: one function for each event, with its counter
// and its log line. Nothing here names an account.

import { metrics } from '@opentelemetry/api'
import type { Logger } from '@twotick/chassis'

export type Events = ReturnType<typeof createEvents>

/** A log line of one kind at most this often: an outage must not fill the disk. */
const LOG_EVERY_MS = 10_000

export function createEvents(log: Logger) {
  const meter = metrics.getMeter('delivery-fanout')
  const matters = meter.createCounter('twotick.fanout.matters', {
    description: 'mailboxes rung, ticks and signals',
  })
  const rings = meter.createCounter('twotick.fanout.rings', {
    description: 'events published to gateways',
  })
  const dropped = meter.createCounter('twotick.fanout.dropped', {
    description: 'messages dropped because more arrived than could be handled',
  })
  const malformed = meter.createCounter('twotick.fanout.malformed', {
    description: 'messages that could not be decoded',
  })
  const failed = meter.createCounter('twotick.fanout.presence_failed', {
    description: 'times that Redis did not say who is where, and every gateway was rung',
  })
  const unpublished = meter.createCounter('twotick.fanout.unpublished', {
    description: 'events that the bus did not take',
  })
  const resyncs = meter.createCounter('twotick.fanout.resyncs', {
    description: 'times that every device was told to ask for its second ticks',
  })
  const warn = atMostEvery(LOG_EVERY_MS, log)

  return {
    routed(counts: { matters: number; rings: number }) {
      matters.add(counts.matters)
      rings.add(counts.rings)
    },
    dropped(count: number) {
      dropped.add(count)
      warn('more arrived than could be handled', { dropped: count })
    },
    malformed(subject: string, error: unknown) {
      malformed.add(1, { subject })
      warn('a message could not be decoded', { subject, error })
    },
    presenceFailed(error: unknown) {
      failed.add(1)
      warn('presence is not to be had: every gateway is rung', { error })
    },
    publishFailed() {
      unpublished.add(1)
      warn('the bus does not take what is published', {})
    },
    resync(reason: string) {
      resyncs.add(1)
      log.info({ reason }, 'resync')
    },
  }
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
