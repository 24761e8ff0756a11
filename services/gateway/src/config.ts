// What the gateway can be configured with.

import {
  identityFields,
  listen,
  natsFields,
  redisFields,
  share,
  target,
  text,
  whole,
} from '@twotick/chassis'
import { z } from 'zod'
import { parseNetworks } from './client-address.ts'

function networks(meaning: string) {
  return z
    .string()
    .default('')
    .transform((given, context) => {
      const parsed = parseNetworks(given)
      if (parsed !== undefined) return parsed
      context.addIssue({
        code: 'custom',
        message: 'expected networks like 10.0.0.0/8 between commas',
      })
      return z.NEVER
    })
    .describe(meaning)
}

export const configSchema = z.object({
  listen: listen('where devices connect by WebSocket'),
  audiences: text(
    'hosts, comma-separated, that devices dial and sign in their handshake; * takes any',
  ),
  nats: natsFields(),
  redis: redisFields(),
  storeTarget: target('envelope-store'),
  validationTarget: target('metadata-validation'),
  service: identityFields(),

  connectionsMax: whole('connections of one replica', { default: 50_000 }),
  connectionsPerAddressMax: whole('connections from one network address', { default: 2_000 }),
  trustedProxies: networks('proxies whose X-Forwarded-For says who connects, comma-separated'),
  openingsPerSMax: whole(
    'sessions that one replica opens in a second; others are told when to come back',
    { default: 80 },
  ),
  handshakeMs: whole('for a connection to come to a session', { default: 10_000 }),
  silenceMs: whole('of silence, after which a connection ends', { default: 35_000 }),
  sessionMs: whole('that a session lasts, or up to a quarter less: then its device comes back', {
    default: 86_400_000,
  }),

  windowEntriesMax: whole('entries pushed to a device and not yet acked', { default: 256 }),
  windowBytesMax: whole('bytes pushed to a device and not yet acked', { default: 1_048_576 }),
  sendsMax: whole('sends of one session without an answer, beyond which it is not read', {
    default: 64,
  }),
  sendBytesMax: whole('bytes of those', { default: 1_048_576 }),
  allSendsMax: whole('sends of all sessions at other services, at the most', { default: 8_192 }),
  allSendBytesMax: whole('bytes of all sends without an answer; beyond them sessions end', {
    default: 67_108_864,
  }),

  answerMs: whole('that a device waits for an answer before it is sent away', {
    default: 1_900,
  }),
  reconcileMs: whole('within which each session is compared with the store', { default: 8_000 }),
  trace: z.object({
    ratio: share('of all sends that are traced, 0 to 1', 0),
    accounts: z
      .string()
      .default('')
      .describe(
        'account ids, comma-separated, that may ask for traces of what they send; * is all',
      ),
    perMinuteMax: whole('traces that one account may ask a replica for in a minute', {
      default: 10,
    }),
  }),
  goodbyeMs: whole('over which the sessions are told to go when the gateway drains', {
    default: 5_000,
    min: 0,
  }),
})

export type Config = z.infer<typeof configSchema>

/** What holds for sessions, however their gateway is reached and what it stands on. */
export type SessionConfig = Pick<
  Config,
  | 'audiences'
  | 'openingsPerSMax'
  | 'handshakeMs'
  | 'silenceMs'
  | 'windowEntriesMax'
  | 'windowBytesMax'
  | 'sendsMax'
  | 'sendBytesMax'
  | 'allSendsMax'
  | 'allSendBytesMax'
  | 'answerMs'
  | 'reconcileMs'
  | 'trace'
>
