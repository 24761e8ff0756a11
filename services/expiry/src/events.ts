// What happens here that an operator wants to know: one function for each event, with its counter
// and its log line. Nothing here names an account.

import { metrics } from '@opentelemetry/api'
import type { Logger } from '@twotick/chassis'
import type { FinishOutcome } from '@twotick/linking'
import { RefusalCode } from '@twotick/protocol'
import { PendingKind } from '@twotick/protocol/services'

export type Events = ReturnType<typeof createEvents>

export function createEvents(log: Logger) {
  const meter = metrics.getMeter('expiry')
  const expired = meter.createCounter('twotick.expiry.expired', {
    description: 'entries removed because their time was over',
  })
  const noticed = meter.createCounter('twotick.expiry.noticed', {
    description: 'notices written to the senders of such entries',
  })
  const finished = meter.createCounter('twotick.expiry.finished', {
    description: 'half-done links, unlinks, registrations and deletions taken up, by outcome',
  })
  const unseen = meter.createCounter('twotick.expiry.unseen', {
    description: 'companions unlinked because they were not seen for long',
  })
  const failures = meter.createCounter('twotick.expiry.failures', {
    description: 'rounds that failed and are tried again after a pause',
  })

  return {
    swept(counts: { expired: number; noticed: number }) {
      expired.add(counts.expired)
      noticed.add(counts.noticed)
      if (counts.expired > 0) log.info(counts, 'expired')
    },
    finished(kind: PendingKind, outcome: FinishOutcome) {
      const labels = { kind: nameOf(PendingKind, kind), outcome: outcome.at }
      finished.add(1, labels)
      if (outcome.at !== 'refused') return log.info(labels, 'taken up')
      log.warn({ ...labels, code: nameOf(RefusalCode, outcome.refusal.code) }, 'taken up in vain')
    },
    unseen(count: number) {
      unseen.add(count)
      if (count > 0) log.info({ count }, 'unlinking companions that were not seen for long')
    },
    failed(round: string, error: unknown) {
      failures.add(1, { round })
      log.warn({ round, error }, 'a round failed')
    },
  }
}

function nameOf(values: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(values).find((name) => values[name] === value) ?? String(value)
}
