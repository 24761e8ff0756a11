// What kind of history it is. No history looks at everything: each is fine-grained in some respects
// and coarse in the others, so that all together go everywhere and each stays quick.

import { createRandom } from './random.ts'

export interface Profile {
  /** Whether calls, statements of Postgres and commits of devices are steps of their own. */
  readonly isFine: boolean
  readonly isFineDatabase: boolean
  readonly isFineStorage: boolean
  /** Whether devices encrypt for each device, or once for all. */
  readonly isPerDevice: boolean
  /** Whether there is a third account; one conversation has them all. */
  readonly isGroup: boolean
  /** Whether Redis answers. */
  readonly hasPresence: boolean
  readonly quota: { readonly entriesMax: number; readonly bytesMax: number }
  readonly window: { readonly windowEntriesMax: number; readonly windowBytesMax: number }
}

export function profileOf(seed: number): Profile {
  const random = createRandom(seed ^ 0x9e3779b9)
  return {
    isFine: random.chance(0.2),
    isFineDatabase: random.chance(0.2),
    isFineStorage: random.chance(0.4),
    isPerDevice: random.chance(0.4),
    isGroup: random.chance(0.15),
    hasPresence: random.chance(0.8),
    quota: { entriesMax: random.chance(0.3) ? 4 : 1_000, bytesMax: 1e9 },
    window: { windowEntriesMax: random.chance(0.3) ? 2 : 256, windowBytesMax: 1e9 },
  }
}
