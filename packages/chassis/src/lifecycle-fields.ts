// What every service can be configured with, beside its own: `run` reads these.

import { z } from 'zod'
import { listen, oneOf, whole } from './field.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export const lifecycleFields = z.object({
  health: z.object({
    listen: listen('where /healthz and /readyz are answered, and gRPC health').optional(),
  }),
  log: z.object({ level: oneOf('what is logged, and what is graver', LOG_LEVELS, 'info') }),
  drainMs: whole('for everything that is to be finished after SIGTERM', { default: 10_000 }),
})
