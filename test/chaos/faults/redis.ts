// Redis forgets everything: who is where, and which gateways live.

import { connectRedis, createLog } from '@twotick/chassis'
import type { Fault } from '../fault.ts'

export const redisFaults: readonly Fault[] = [
  {
    name: 'flush redis',
    target: 'redis',
    lastsMs: [0, 0],
    async inject({ redis: { url } }) {
      const redis = await connectRedis({ url }, createLog('chaos', 'silent'))
      try {
        await redis.flushall()
      } finally {
        redis.disconnect()
      }
      return async () => undefined
    },
  },
]
