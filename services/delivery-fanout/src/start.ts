// The composition root.

import { connectNats, connectRedis, openCertificates, type Scope } from '@twotick/chassis'
import type { Config } from './config.ts'
import { consume } from './consume.ts'
import { createEvents } from './events.ts'
import { createLookUp } from './look-up.ts'

export async function start(config: Config, scope: Scope): Promise<void> {
  const { defer, ready, log } = scope
  const certificates = openCertificates(config.service, scope)
  const events = createEvents(log)
  const redis = await connectRedis(config.redis, log, certificates)
  defer('redis', () => redis.disconnect())
  const bus = await connectNats(config.nats, log, certificates)
  defer('nats', () => bus.drain())

  const lookUp = createLookUp(redis, config.presenceBudgetMs, events)
  const { pendingBytesMax } = config
  const consumer = await consume(bus, { lookUp, pendingBytesMax, events })
  defer('consumer', () => consumer.stop())
  ready()
}
