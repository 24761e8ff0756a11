// The store's epoch, as last heard: every request to the store names it.

import { unary } from '@twotick/chassis'
import { type Refusal, RefusalCode } from '@twotick/protocol'
import type { EnvelopeStoreClient } from '@twotick/protocol/services'

const CALL_MS = 2_000

/** Goes on with another epoch this often in one call; more often it fails, and is tried later. */
const CHANGES_MAX = 2

export interface Epoch {
  /**
   * Calls the store with its epoch, and again with the new one where it has changed. Returns the
   * outcome, which may hold any other refusal.
   */
  with<T>(
    signal: AbortSignal,
    call: (epoch: string) => Promise<T>,
    refusalOf: (outcome: T) => Refusal | undefined,
  ): Promise<T>
}

export function createEpoch(store: EnvelopeStoreClient): Epoch {
  let known: string | undefined

  async function read(signal: AbortSignal): Promise<string> {
    known ??= (await unary(store, 'getEpoch', {}, { deadlineMs: CALL_MS, signal })).epoch
    return known
  }

  return {
    async with(signal, call, refusalOf) {
      for (let changes = 0; changes <= CHANGES_MAX; changes += 1) {
        const outcome = await call(await read(signal))
        if (refusalOf(outcome)?.code !== RefusalCode.EPOCH_CHANGED) return outcome
        known = undefined
      }
      throw new Error('the epoch of the store keeps changing')
    },
  }
}
