// The fields that a configuration is made of. A field is a zod schema from text to a value, with a
// meaning (`describe`) and perhaps a default; see config.ts for how it becomes a variable.

import { z } from 'zod'

/** What a field carries beside its type. A secret is never printed. */
export interface FieldMeta {
  readonly secret?: boolean
}

/** A whole number within bounds; its unit is the end of its name (`drainMs`, `windowBytesMax`). */
export function whole(meaning: string, bounds: { default: number; min?: number; max?: number }) {
  const { min = 1, max = Number.MAX_SAFE_INTEGER } = bounds
  return z
    .string()
    .regex(/^\d{1,16}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .describe(meaning)
    .default(bounds.default)
}

/** A share of a whole, from 0 to 1. */
export function share(meaning: string, initial: number) {
  return z
    .string()
    .regex(/^(0|1|0?\.\d{1,9}|1\.0+)$/, 'expected a share, from 0 to 1')
    .transform(Number)
    .describe(meaning)
    .default(initial)
}

/** A text that must be given. */
export function text(meaning: string) {
  return z.string().describe(meaning)
}

/** One of a few words; the first is not special, so the default is named. */
export function oneOf<const W extends string>(meaning: string, words: readonly W[], initial: W) {
  return z.enum(words).describe(meaning).default(initial)
}

/** `true` or `false`. */
export function flag(meaning: string, initial: boolean) {
  return z
    .enum(['true', 'false'])
    .transform((word) => word === 'true')
    .describe(meaning)
    .default(initial)
}

/** A text that is never printed and may also come from a file: `TWOTICK_X` or `TWOTICK_X_FILE`. */
export function secret(meaning: string) {
  return z
    .string()
    .describe(meaning)
    .meta({ secret: true } satisfies FieldMeta)
}

/** `host:port` to listen on; port 0 takes any free one. */
export function listen(meaning: string) {
  return z
    .string()
    .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'expected host:port')
    .describe(meaning)
}

/** The parts of a `listen` field. */
export function parseListen(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}

/** A URL of one of some schemes; it may hold a password, so it counts as a secret. */
function url(schemes: RegExp, meaning: string) {
  return z
    .string()
    .regex(schemes, 'expected a URL ' + schemes.source.replace(/[\\^]/g, ''))
    .describe(meaning)
    .meta({ secret: true } satisfies FieldMeta)
}

/** Fields of a service that uses Postgres: `connectPostgres(config.postgres)`. */
export function postgresFields({ poolMin = 1 } = {}) {
  return z.object({
    url: url(
      /^postgres(ql)?:\/\//,
      'Postgres, as this service’s own role; ?sslmode=verify-full for TLS',
    ),
    poolMax: whole('connections of one replica', { default: 10, min: poolMin, max: 1_000 }),
    connectTimeoutMs: whole('to wait for a connection', { default: 2_000 }),
    statementTimeoutMs: whole('after which Postgres ends a statement', { default: 2_000 }),
    queryTimeoutMs: whole('after which a silent Postgres is given up', { default: 2_500 }),
    idleInTransactionTimeoutMs: whole('after which Postgres ends an abandoned transaction', {
      default: 5_000,
    }),
    startTimeoutMs: whole('to wait for Postgres at the start', { default: 30_000 }),
  })
}

/** Fields of a service that uses NATS: `connectNats(config.nats, log)`. */
export function natsFields() {
  return z.object({
    url: url(/^(nats|tls):\/\//, 'NATS, the doorbell; tls:// for TLS'),
    caFile: caFile('NATS'),
    pendingBytesMax: whole('not yet taken by NATS, beyond which doorbells are dropped', {
      default: 8 * 1_048_576,
    }),
  })
}

/** Fields of a service that uses Redis: `connectRedis(config.redis, log)`. */
export function redisFields() {
  return z.object({
    url: url(
      /^(redis|rediss|unix):\/\/|^\//,
      'Redis, the hint of who is connected where; rediss:// for TLS',
    ),
    caFile: caFile('Redis'),
    commandTimeoutMs: whole('after which a command fails', { default: 500 }),
  })
}

/** The address of another service for `grpcClient`. */
export function target(service: string) {
  return z
    .string()
    .describe(`where ${service} answers gRPC: host:port, or any target that gRPC names`)
}

/**
 * Fields of what a service is known by, and knows the others by: its certificate, or in development a
 * secret that all share (identity.ts). `openCertificates(config.service, scope)`.
 */
export function identityFields() {
  const secretFile = z
    .string()
    .describe(
      'file of the secret that services know each other by, where they have no certificates',
    )
    .optional()
  return certificateFields()
    .extend({ secretFile })
    .refine((service) => (service.secretFile === undefined) !== (service.certFile === undefined), {
      path: ['secretFile'],
      error: 'expected this one or TWOTICK_SERVICE_CERT_FILE, not both',
    })
}

/** Likewise, of a service that neither calls nor answers gRPC. */
export function certificateFields() {
  const file = (meaning: string) => z.string().describe(meaning).optional()
  return z
    .object({
      certFile: file('file of this service’s certificate (PEM): mutual TLS'),
      keyFile: file('file of its private key'),
      caFile: file('file of the authorities whose certificates are believed'),
      identityPrefix: z
        .string()
        .describe('what the URI in a service’s certificate begins with; its name is the rest')
        .default('spiffe://twotick/'),
      reloadMs: whole('between two looks at these files for new certificates', {
        default: 10_000,
      }),
    })
    .refine(
      ({ certFile, keyFile, caFile }) =>
        new Set([certFile, keyFile, caFile].map((one) => one === undefined)).size === 1,
      { path: ['certFile'], error: 'expected together with _KEY_FILE and _CA_FILE' },
    )
}

/** The authorities of a server that are not those of the services. */
function caFile(server: string) {
  return z
    .string()
    .describe(`file of the authorities of ${server}, if others than TWOTICK_SERVICE_CA_FILE`)
    .optional()
}
