// What metadata-validation counts. Labels are codes and the like, never an id.

import { metrics } from '@opentelemetry/api'
import { RefusalCode } from '@twotick/protocol'
import { type SendVerdict } from '@twotick/protocol/services'

const meter = metrics.getMeter('metadata-validation')

const verdicts = meter.createCounter('twotick.validation.verdicts', {
  description: 'sends judged, by outcome',
})
const pendingVersions = meter.createCounter('twotick.validation.pending_versions', {
  description: 'uses of a client version that the pending policy would refuse',
})

const codeNames = new Map(Object.entries(RefusalCode).map(([name, code]) => [code, name]))

/** A batch of sends was judged; one call of each counter a batch. */
export function sendsJudged(judged: readonly SendVerdict[]) {
  const counts = new Map<string, number>()
  for (const { outcome } of judged) {
    const name =
      outcome?.$case === 'refusal' ? (codeNames.get(outcome.value.code) ?? '') : 'ACCEPTED'
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  for (const [outcome, count] of counts) verdicts.add(count, { outcome })
}

/** A client version was accepted that the pending policy would refuse: the dry run's figure. */
export function pendingVersionMet() {
  pendingVersions.add(1)
}
