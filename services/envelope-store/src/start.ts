// Puts the store together: Postgres, the keys, the doorbell, the batches, gRPC.

import {
  connectNats,
  connectPostgres,
  implement,
  openCertificates,
  type Scope,
  serveGrpc,
  untilMigrated,
} from '@twotick/chassis'
import { EnvelopeStoreService } from '@twotick/protocol/services'
import type { Config } from './config.ts'
import { createDoorbell } from './doorbell.ts'
import { checkDurability } from './durability.ts'
import { answerGrpc } from './grpc.ts'
import { SCHEMA } from './schema.ts'
import { createSealer, readKeys } from './sealed.ts'
import { createStore } from './store.ts'
import { prepareConnection } from './transaction.ts'

export async function start(config: Config, scope: Scope): Promise<{ port: number }> {
  const { log, stopping: signal } = scope
  const sealer = createSealer(await readKeys(config.sealKeyFile))
  const onConnect = prepareConnection
  const certificates = openCertificates(config.service, scope)
  const options = { log, signal, onConnect, certificates, pipeline: true }
  // Batches queue with nobody: what else waits for Postgres, or holds its connections, may be much.
  const shared = { ...config.postgres, poolMax: config.postgres.poolMax - 1 }
  const db = await connectPostgres(shared, options)
  scope.defer('postgres', () => db.end())
  const forBatches = { ...config.postgres, poolMax: 1 }
  const batchDb = await connectPostgres(forBatches, options)
  scope.defer('postgres of batches', () => batchDb.end())
  await untilMigrated(db, SCHEMA, { log, signal })
  await checkDurability(db, config.durability, log)
  const bus = await connectNats(config.nats, log, certificates)
  scope.defer('nats', () => bus.drain())

  const store = createStore({ db, batchDb, sealer, ring: createDoorbell(bus), log }, config)
  scope.defer('batches', () => store.idle())
  const service = implement(EnvelopeStoreService, answerGrpc(store))
  const {
    listen,
    service: { secretFile },
  } = config
  const server = await serveGrpc({ listen, certificates, secretFile }, [service], log)
  scope.defer('grpc', () => server.drain())
  scope.ready()
  return { port: server.port }
}
