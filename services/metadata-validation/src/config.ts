// What an operator can set. Read once at the start: a change of policy is a restart, replica by
// replica.

import {
  identityFields,
  listen,
  natsFields,
  oneOf,
  postgresFields,
  secret,
  whole,
} from '@twotick/chassis'
import { z } from 'zod'
import { type Rate } from './buckets.ts'
import { parseVersion, type Version } from './versions.ts'

/**
 * `60+1/s`: 60 at once and 1 a second from then on. Several between commas hold all at once; `none`:
 * no bound.
 */
function rates(meaning: string, standard: string) {
  return z
    .string()
    .default(standard)
    .transform((text, context): Rate[] => {
      const parsed = text === 'none' ? [] : text.split(',').map(parseRate)
      if (parsed.every((one) => one !== undefined)) return parsed
      context.addIssue({ code: 'custom', message: 'expected rates like 60+1/s, or none' })
      return z.NEVER
    })
    .describe(meaning)
}

function parseRate(text: string): Rate | undefined {
  const match = /^([0-9]{1,12})\+([0-9]{1,12}(?:\.[0-9]{1,6})?)\/s$/.exec(text.trim())
  const rate = { burst: Number(match?.[1]), perSecond: Number(match?.[2]) }
  return rate.burst >= 1 && rate.perSecond > 0 ? rate : undefined
}

function versions(meaning: string) {
  return z
    .string()
    .default('')
    .transform((text, context): Version[] => {
      const parsed = text === '' ? [] : text.split(',').map((one) => parseVersion(one.trim()))
      if (parsed.every((one) => one !== undefined)) return parsed
      context.addIssue({ code: 'custom', message: 'expected versions (1.2.3) between commas' })
      return z.NEVER
    })
    .describe(meaning)
}

function version(meaning: string) {
  return z
    .string()
    .default('0')
    .transform((text, context): Version => {
      const parsed = parseVersion(text)
      if (parsed !== undefined) return parsed
      context.addIssue({ code: 'custom', message: 'expected dotted numbers, like 1.2.3' })
      return z.NEVER
    })
    .describe(meaning)
}

export const configSchema = z.object({
  postgres: postgresFields(),
  nats: natsFields(),
  listen: listen('where metadata-validation answers gRPC').default('127.0.0.1:7401'),
  service: identityFields(),
  registration: oneOf(
    'who may register: who has the token, or anybody',
    ['token', 'open'],
    'token',
  ),
  registrationToken: secret('the operator’s token; without one nobody has it').optional(),
  clientVersion: z.object({
    minimum: version('client versions below it are refused'),
    blocked: versions('client versions that are refused, between commas'),
    pendingMinimum: version('client versions below it are only counted: a dry run'),
    pendingBlocked: versions('client versions that are only counted, between commas'),
  }),
  rate: z.object({
    pairMessages: rates('messages from one account to another', '60+1/s,8000+0.1/s'),
    pairBytes: rates('bytes from one account to another', '4194304+512/s'),
    senderMessages: rates('messages that an account sends', '300+5/s'),
    senderRecipients: rates('messages times recipients that an account sends', '5000+50/s'),
    senderBytes: rates('bytes times recipients that an account sends', '67108864+65536/s'),
    recipientMessages: rates('messages to an account, groups aside', '2000+20/s'),
    recipientBytes: rates('bytes to an account, groups aside', '67108864+65536/s'),
  }),
  unseenDays: whole('unseen for longer, a companion is unlinked and an account dormant', {
    default: 30,
    max: 3_650,
  }),
  cacheLifetimeMs: whole('that an unlink or a block may go unnoticed while NATS is down', {
    default: 5_000,
    max: 60_000,
  }),
})

export type Config = z.infer<typeof configSchema>
