// What happens to devices: their processes die, or all of them dial at once.

import type { Fault } from '../fault.ts'

export const deviceFaults: readonly Fault[] = [
  {
    name: 'crash devices',
    target: 'devices',
    lastsMs: [0, 0],
    weight: 2,
    async inject({ fleet }, random) {
      await fleet?.crash(random.whole(1, 3))
      return async () => undefined
    },
  },
  {
    name: 'reconnect storm',
    target: 'devices',
    lastsMs: [0, 0],
    async inject({ fleet }) {
      fleet?.reconnect()
      return async () => undefined
    },
  },
]
