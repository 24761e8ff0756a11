// A codec that fails for one message in fifty until it is sent again: its sender is told, sends it
// to that device once more, and names the original.

import { plainCodec, type Codec } from '@twotick/sdk'

const ONE_IN = 50

export const pickyCodec: Codec = {
  ...plainCodec,
  decode(envelope) {
    const content = plainCodec.decode(envelope)
    const isChosen = envelope.no % ONE_IN === 0
    if (isChosen && !('original' in content)) throw new Error('not this one')
    return content
  },
}
