// The store's epoch, as last heard: every request to the store names it.

import { type Refusal, RefusalCode } from '@twotick/protocol'

/** Goes on with another epoch this often in one call; more often it fails, and is tried later. */
const CHANGES_MAX = 2

export interface Epoch {
  /**
   * Makes a call with the epoch, and again with the new one where it has changed. Returns the
   * outcome, which may hold any other refusal.
   */
  with<T>(
    signal: AbortSignal,
    call: (epoch: string) => Promise<T>,
    refusalOf: (outcome: T) => Refusal | undefined,
  ): Promise<T>
}

/** `read` asks the store; it is called at first use and after each change. */
export function createEpoch(read: (signal: AbortSignal) => Promise<string>): Epoch {
  let known: string | undefined

  return {
    async with(signal, call, refusalOf) {
      for (let changes = 0; changes <= CHANGES_MAX; changes += 1) {
        known ??= await read(signal)
        const outcome = await call(known)
        if (refusalOf(outcome)?.code !== RefusalCode.EPOCH_CHANGED) return outcome
        known = undefined
      }
      throw new Error('the epoch of the store keeps changing')
    },
  }
}
