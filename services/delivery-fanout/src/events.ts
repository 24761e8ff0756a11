// What happens here that an operator wants to know: one function for each event, with its counter
// and its log line. Nothing here names an account.

import { BATCH_COUNTS, type Logger, logSeldom, openMeter } from '@twotick/chassis'
import { APPENDED, DELIVERED, SIGNAL } from './matter.ts'

export type Events = ReturnType<typeof createEvents>

export function createEvents(log: Logger) {
  const meter = openMeter('delivery-fanout')
  const about = (what: string) => `twotick.fanout.${what}`
  const matters = meter.counter(about('matters'), 'mailboxes rung, ticks and signals')
  const batchMatters = meter.histogram(about('batch_matters'), 'handled together', BATCH_COUNTS)
  const rings = meter.counter(about('rings'), 'events published to gateways')
  const dropped = meter.counter(
    about('dropped'),
    'messages dropped because more arrived than could be handled',
  )
  const malformed = meter.counterBy(about('malformed'), 'subject', {
    description: 'messages that could not be decoded',
    values: [APPENDED, DELIVERED, SIGNAL],
  })
  const failed = meter.counter(
    about('presence_failed'),
    'times that Redis did not say who is where, and every gateway was rung',
  )
  const unpublished = meter.counter(about('unpublished'), 'events that the bus did not take')
  const resyncs = meter.counter(
    about('resyncs'),
    'times that every device was told to ask for its second ticks',
  )
  const warn = logSeldom(log)

  return {
    routed(counts: { matters: number; rings: number }) {
      matters.add(counts.matters)
      batchMatters.record(counts.matters)
      rings.add(counts.rings)
    },
    dropped(count: number) {
      dropped.add(count)
      warn('more arrived than could be handled', { dropped: count })
    },
    malformed(subject: string, error: unknown) {
      malformed.add(subject)
      warn('a message could not be decoded', { subject, error })
    },
    presenceFailed(error: unknown) {
      failed.add()
      warn('presence is not to be had: every gateway is rung', { error })
    },
    publishFailed() {
      unpublished.add()
      warn('the bus does not take what is published', {})
    },
    resync(reason: string) {
      resyncs.add()
      log.info({ reason }, 'resync')
    },
  }
}
