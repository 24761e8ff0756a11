// What the gateway stands on: the two services it asks, the bus and presence.

import {
  type Bus,
  connectNats,
  connectRedis,
  grpcClient,
  joinCalls,
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
  const store = grpcClient(EnvelopeStoreClient, { target: config.storeTarget, ...identity })
  defer('store', () => store.close())
  const storeCalls = joinCalls(store, EnvelopeStoreClient.service, {
    methods: ['getHeads', 'openSession', 'fetch', 'getStatus'],
    log: log.child({ stream: 'calls to the store' }),
  })
  defer('calls to the store', storeCalls)
  const directoryClient = grpcClient(MetadataValidationClient, {
    target: config.validationTarget,
    ...identity,
  })
  defer('validation', () => directoryClient.close())
  const directoryCalls = joinCalls(directoryClient, MetadataValidationClient.service, {
    methods: ['authenticate'],
    log: log.child({ stream: 'calls to validation' }),
  })
  defer('calls to validation', directoryCalls)

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
