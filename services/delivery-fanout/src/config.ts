import { certificateFields, natsFields, redisFields, whole } from '@twotick/chassis'
import { z } from 'zod'

export const configSchema = z.object({
  nats: natsFields(),
  redis: redisFields(),
  service: certificateFields(),
  presenceBudgetMs: whole('for Redis to say who is where, else every gateway is rung', {
    default: 100,
  }),
  pendingBytesMax: whole('of messages not yet handled, beyond which the oldest are dropped', {
    default: 64 * 1_048_576,
    min: 1_048_576,
  }),
})

export type Config = z.infer<typeof configSchema>
