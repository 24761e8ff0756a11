// A small service for run.test.ts: it opens two things, runs a loop, and can be told to fail.

import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { flag, run, secret, whole } from '../src/index.ts'

const configSchema = z.object({
  seedsMax: whole('how many are planted', { default: 1, min: 0 }),
  readyAfterMs: whole('until it is ready', { default: 1 }),
  hangsAtEnd: flag('whether it never closes', false),
  key: secret('of the gate').optional(),
})

await run('garden', configSchema, async (config, { defer, ready, stopping, log }) => {
  defer('first', () => log.info('undone first'))
  if (config.seedsMax === 0) throw new Error('no seeds')
  log.info(`planted ${config.seedsMax}`)
  await wait(config.readyAfterMs, undefined, { signal: stopping })
  defer('second', async () => {
    log.info('undone second')
    if (config.hangsAtEnd) await new Promise(() => undefined)
  })
  const heartbeat = setInterval(() => undefined, 1_000)
  stopping.addEventListener('abort', () => {
    clearInterval(heartbeat)
    log.info('loop ended')
  })
  ready()
})
