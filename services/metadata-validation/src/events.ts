// What metadata-validation counts. Labels are codes and the like, never an id.

import { BATCH_COUNTS, openMeter, refusalNames } from '@twotick/chassis'
import { type SendVerdict } from '@twotick/protocol/services'

const meter = openMeter('metadata-validation')

const CODE_NAMES = refusalNames()
const verdicts = meter.counterBy('twotick.validation.verdicts', 'outcome', {
  description: 'sends judged',
  values: ['ACCEPTED', ...CODE_NAMES.values()],
})
const batchSends = meter.histogram(
  'twotick.validation.batch_sends',
  'sends judged together',
  BATCH_COUNTS,
)
const pendingVersions = meter.counter(
  'twotick.validation.pending_versions',
  'uses of a client version that the pending policy would refuse',
)

/** A batch of sends was judged. */
export function sendsJudged(judged: readonly SendVerdict[]) {
  batchSends.record(judged.length)
  for (const { outcome } of judged) {
    const isRefused = outcome?.$case === 'refusal'
    verdicts.add(isRefused ? (CODE_NAMES.get(outcome.value.code) ?? 'unknown') : 'ACCEPTED')
  }
}

/** A client version was accepted that the pending policy would refuse: the dry run's figure. */
export function pendingVersionMet() {
  pendingVersions.add()
}
