// What the commands that write stand on.

import type { Ring } from './doorbell.ts'
import type { Sealer } from './sealed.ts'
import type { Database } from './transaction.ts'

export interface Resources {
  readonly db: Database
  readonly sealer: Sealer
  readonly ring: Ring
}
