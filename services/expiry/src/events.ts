// What happens here that an operator wants to know: one function for each event, with its counter
// and its log line. Nothing here names an account.

import { type Logger, openMeter } from '@twotick/chassis'
import type { FinishOutcome } from '@twotick/linking'
import { RefusalCode } from '@twotick/protocol'
import { PendingKind } from '@twotick/protocol/services'

export type Events = ReturnType<typeof createEvents>

/** What is done again and again. */
const ROUNDS = ['sweep', 'half done', 'unseen', 'count'] as const

export type Round = (typeof ROUNDS)[number]

interface Counted {
  readonly entries: number
  readonly oldestAgeMs: number
}

export function createEvents(log: Logger) {
  const meter = openMeter('expiry')
  const about = (what: string) => `twotick.expiry.${what}`
  const expired = meter.counter(about('expired'), 'entries removed because their time was over')
  const noticed = meter.counter(about('noticed'), 'notices written to the senders of such entries')
  const finished = meter.counterBy(about('finished'), 'outcome', {
    description: 'half-done links, unlinks, registrations and deletions taken up',
    values: ['finished', 'unfinished', 'refused'],
  })
  const unseen = meter.counter(
    about('unseen'),
    'companions unlinked because they were not seen for long',
  )
  const failures = meter.counterBy(about('failures'), 'round', {
    description: 'rounds that failed and are tried again after a pause',
    values: ROUNDS,
  })
  let counted: Counted | undefined
  let sweptAtS: number | undefined
  meter.gauge(
    'twotick.mailboxes.waiting_entries',
    'entries that no device has which they are for, on the whole relay, as last counted',
    () => counted?.entries,
  )
  meter.gauge(
    'twotick.mailboxes.oldest_waiting_age_seconds',
    'how long the one of them waits that expires next',
    () => counted && counted.oldestAgeMs / 1_000,
  )
  meter.gauge(
    about('last_sweep_timestamp_seconds'),
    'when a round through all mailboxes was last done, Unix time',
    () => sweptAtS,
  )

  return {
    swept(counts: { expired: number; noticed: number }) {
      expired.add(counts.expired)
      noticed.add(counts.noticed)
      if (counts.expired > 0) log.info(counts, 'expired')
    },
    sweptAll() {
      sweptAtS = Date.now() / 1_000
    },
    counted(total: Counted) {
      counted = total
    },
    finished(kind: PendingKind, outcome: FinishOutcome) {
      const labels = { kind: nameOf(PendingKind, kind), outcome: outcome.at }
      finished.add(outcome.at)
      if (outcome.at !== 'refused') return log.info(labels, 'taken up')
      log.warn({ ...labels, code: nameOf(RefusalCode, outcome.refusal.code) }, 'taken up in vain')
    },
    unseen(count: number) {
      unseen.add(count)
      if (count > 0) log.info({ count }, 'unlinking companions that were not seen for long')
    },
    failed(round: Round, error: unknown) {
      failures.add(round)
      log.warn({ round, error }, 'a round failed')
    },
  }
}

function nameOf(values: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(values).find((name) => values[name] === value) ?? String(value)
}
