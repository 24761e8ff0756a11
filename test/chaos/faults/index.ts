// All faults there are. A random schedule draws from these; `--faults` names them.

import type { Fault } from '../fault.ts'
import { restoreBackup } from './backup.ts'
import { deviceFaults } from './devices.ts'
import { diskFaults } from './disk.ts'
import { lineFaults } from './lines.ts'
import { processFaults } from './processes.ts'
import { redisFaults } from './redis.ts'
import { slowFlush } from './slow-flush.ts'
import { heldTransaction } from './transactions.ts'
import { rollingUpgrade } from './upgrade.ts'

export const FAULTS: readonly Fault[] = [
  ...processFaults,
  ...redisFaults,
  ...lineFaults,
  ...diskFaults,
  slowFlush,
  heldTransaction,
  restoreBackup,
  rollingUpgrade,
  ...deviceFaults,
]
