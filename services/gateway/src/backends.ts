// What the gateway stands on: the two services it asks, the bus and presence.

import {
  type Bus,
  connectNats,
  connectRedis,
  grpcClient,
  openCertificates,
  type Scope,
} from '@twotick/chassis'
import { EnvelopeStoreClient, MetadataValidationClient } from '@twotick/protocol/services'
import type { Redis } from 'ioredis'
import type { Config } from './config.ts'
import type { Epochs } from './epoch.ts'
import { openValidation, openWrites, type Validation, type Writes } from './writes.ts'

export interface Backends {
  readonly store: EnvelopeStoreClient
  readonly writes: Writes
  readonly directoryClient: MetadataValidationClient
  readonly validation: Validation
  readonly redis: Redis
  readonly bus: Bus
}

export async function openBackends(
  config: Config,
  epochs: Epochs,
  scope: Scope,
): Promise<Backends> {
  const { defer, log } = scope
  const certificates = openCertificates(config.service, scope)
  const { secretFile } = config.service
  const identity = { service: 'gateway', certificates, secretFile } as const
  const store = grpcClient(EnvelopeStoreClient, {
    target: config.storeTarget,
    ...identity,
    together: { methods: ['getHeads', 'openSession', 'fetch', 'getStatus'], log },
  })
  defer('store', () => store.close())
  const directoryClient = grpcClient(MetadataValidationClient, {
    target: config.validationTarget,
    ...identity,
    together: { methods: ['authenticate'], log },
  })
  defer('validation', () => directoryClient.close())

  const bounds = {
    deadlineMs: config.answerMs,
    // A session has one ack and a bounded number of sends in flight.
    inFlightMax: config.connectionsMax + config.allSendsMax,
    inFlightBytesMax: 4 * config.allSendBytesMax,
    log,
  }
  const writes = openWrites(store, epochs, bounds)
  defer('writes', () => writes.close())
  const validation = openValidation(directoryClient, bounds)
  defer('validation stream', () => validation.close())

  const redis = await connectRedis(config.redis, log, certificates)
  defer('redis', () => redis.disconnect())
  const bus = await connectNats(config.nats, log, certificates)
  defer('nats', () => bus.drain())
  return { store, writes, directoryClient, validation, redis, bus }
}
