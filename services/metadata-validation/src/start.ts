// The composition root: what main.ts runs, and tests too.

import {
  connectNats,
  connectPostgres,
  logSeldom,
  openCertificates,
  type Scope,
  serveGrpc,
  untilMigrated,
} from '@twotick/chassis'
import { createDirectoryCache } from './cache.ts'
import { type Config } from './config.ts'
import { pendingVersionMet } from './events.ts'
import { metadataValidation } from './grpc.ts'
import { createInvalidation } from './invalidation.ts'
import { createVersionJudge } from './policy.ts'
import { createRateLimiter } from './rates.ts'
import { SCHEMA } from './schema.ts'
import { createSeen } from './seen.ts'
import { createReader, createSnapshot, createTransact } from './transaction.ts'
import { createValidate } from './validate.ts'

/** Starts the service; the port is the gRPC server's. */
export async function start(config: Config, scope: Scope): Promise<{ port: number }> {
  const { log, stopping } = scope
  const certificates = openCertificates(config.service, scope)
  const pool = await connectPostgres(config.postgres, { log, signal: stopping, certificates })
  scope.defer('postgres', () => pool.end())
  await untilMigrated(pool, SCHEMA, { log, signal: stopping })
  const bus = await connectNats(config.nats, log, certificates)
  scope.defer('nats', () => bus.drain())

  const cache = createDirectoryCache(pool, config.cacheLifetimeMs)
  const transactFor = createTransact(pool, createInvalidation(bus, cache))
  const db = createReader(pool)
  const { clientVersion } = config
  const policy = {
    enforced: { minimum: clientVersion.minimum, blocked: clientVersion.blocked },
    pending: { minimum: clientVersion.pendingMinimum, blocked: clientVersion.pendingBlocked },
  }
  const warn = logSeldom(log)
  // For no call: that a device was seen is true for whoever waits.
  const transact = transactFor({ signal: stopping, answerBy: Infinity })
  const judges = {
    judgeVersion: createVersionJudge(policy),
    rates: createRateLimiter(config.rate),
    onPendingVersion: pendingVersionMet,
    onAccepted: createSeen({ db, transact }, (error) =>
      warn('the day of a device is not noted', { error }),
    ),
  }
  const service = metadataValidation({
    db,
    transactFor,
    snapshot: createSnapshot(pool),
    validate: createValidate(cache, judges),
    doorkeeper: { db, policy, onPendingVersion: pendingVersionMet },
    registration:
      config.registration === 'open'
        ? { by: 'anybody' }
        : { by: 'token', token: config.registrationToken },
    unseenDays: config.unseenDays,
  })
  const server = await serveGrpc(
    { listen: config.listen, certificates, secretFile: config.service.secretFile },
    [service],
    log,
  )
  scope.defer('grpc', () => server.drain())
  scope.ready()
  return { port: server.port }
}
