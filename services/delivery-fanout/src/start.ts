// The composition root.

import { connectNats, connectRedis, type Scope } from '@twotick/chassis'
import type { Config } from './config.ts'
import { consume } from './consume.ts'
import { createEvents } from './events.ts'
import { createLookUp } from './look-up.ts'

export async function start(config: Config, { defer, ready, log }: Scope): Promise<void> {
  const events = createEvents(log)
  const redis = await connectRedis(config.redis, log)
  defer('redis', () => redis.disconnect())
  const bus = await connectNats(config.nats, log)
  defer('nats', () => bus.drain())

  const lookUp = createLookUp(redis, config.presenceBudgetMs, events)
  const { pendingBytesMax } = config
  const consumer = await consume(bus, { lookUp, pendingBytesMax, events })
  defer('consumer', () => consumer.stop())
  ready()
}
