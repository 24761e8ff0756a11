// Sealing without a cipher: what is sealed is the number of a content. Its length still counts.

import type { SealedContent } from '@twotick/protocol/services'
import type { Sealer } from '../../services/envelope-store/src/sealed.ts'

const SEALED_BYTES = 10

export function createSealer(): Sealer {
  const contents: SealedContent[] = []

  function seal(content: SealedContent): Uint8Array {
    const sealed = Buffer.alloc(SEALED_BYTES)
    sealed.writeUInt32BE(contents.length)
    contents.push(content)
    return sealed
  }

  return {
    seal: (_accountId, _tag, content) => seal(content),
    sealCopies(accountIds, _tag, content) {
      const [body, binding] = [seal(content), new Uint8Array(1)]
      return accountIds.map(() => ({ body, binding, length: body.length + binding.length }))
    },
    open(_accountId, _tag, sealed) {
      const content = contents[Buffer.from(sealed).readUInt32BE(0)]
      if (content === undefined) throw new Error('nothing was sealed so')
      return content
    },
  }
}
