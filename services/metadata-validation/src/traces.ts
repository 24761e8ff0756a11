// Spans of traced sends: one for each, over the batch that it was judged in.

import { continueTrace, SpanKind } from '@twotick/chassis'
import type { SendMetadata } from '@twotick/protocol/services'

/** Ends the spans; does nothing where none of the sends is traced. */
export function beginValidation(sends: readonly SendMetadata[]): () => void {
  const spans = sends.flatMap(({ trace }) => {
    if (trace === undefined) return []
    const attributes = {
      'rpc.system.name': 'grpc',
      'rpc.method': 'twotick.v1.MetadataValidation/Validate',
      'twotick.batch.sends': sends.length,
    }
    const options = { parent: trace, kind: SpanKind.SERVER, attributes }
    return continueTrace('metadata-validation', 'validate', options) ?? []
  })
  return () => {
    for (const span of spans) span.end()
  }
}
