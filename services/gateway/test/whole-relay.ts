// A gateway for a test, with the real services around it, each by its own `start`, in this process,
// on servers of its own. Parts can be closed and started again.

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ConfigSchema,
  openScope,
  type OpenScope,
  readConfig,
  type Start,
} from '@twotick/chassis'
import type { z } from 'zod'
import { freePort } from '../../../scripts/servers/free-port.ts'
import { startNats, startRedis, testDatabase } from '../../../test/servers.ts'
import { configSchema as fanoutSchema } from '../../delivery-fanout/src/config.ts'
import { start as startFanout } from '../../delivery-fanout/src/start.ts'
import { configSchema as storeSchema } from '../../envelope-store/src/config.ts'
import { start as startStore } from '../../envelope-store/src/start.ts'
import { configSchema as validationSchema } from '../../metadata-validation/src/config.ts'
import { start as startValidation } from '../../metadata-validation/src/start.ts'
import { configSchema } from '../src/config.ts'
import { start } from '../src/start.ts'

type Environment = Readonly<Record<string, string>>

export interface Part {
  readonly close: () => Promise<void>
  /** Starts it again, where it was. */
  readonly restart: () => Promise<void>
}

export interface RunningGateway extends Part {
  readonly url: string
}

export type WholeRelay = Awaited<ReturnType<typeof startWholeRelay>>

export async function startWholeRelay(environment: Environment = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'twotick-gateway-'))
  const secretFile = join(folder, 'secret')
  const keyFile = join(folder, 'keys')
  await writeFile(secretFile, randomBytes(32).toString('hex'))
  await writeFile(keyFile, `1 ${randomBytes(32).toString('base64')} once\n`)
  const database = await testDatabase()
  const nats = await startNats({ own: true })
  const redis = await startRedis({ own: true })
  const storeTarget = `127.0.0.1:${await freePort()}`
  const validationTarget = `127.0.0.1:${await freePort()}`
  const scopes = new Set<OpenScope>()

  async function run<S extends ConfigSchema, T>(
    name: string,
    {
      schema,
      begin,
      variables,
    }: { schema: S; begin: Start<z.infer<S>, T>; variables: Environment },
  ): Promise<Part> {
    const config = readConfig(schema, variables)
    let scope: OpenScope
    const open = async () => {
      scope = openScope(name)
      scopes.add(scope)
      await begin(config, scope)
    }
    await open()
    return {
      close: async () => {
        scopes.delete(scope)
        await scope.close()
      },
      restart: open,
    }
  }

  const servers = { TWOTICK_NATS_URL: nats.url }
  const identity = { TWOTICK_SERVICE_SECRET_FILE: secretFile }
  const store = await run('envelope-store', {
    schema: storeSchema,
    begin: startStore,
    variables: {
      ...servers,
      ...identity,
      TWOTICK_POSTGRES_URL: database.storeUrl,
      TWOTICK_LISTEN: storeTarget,
      TWOTICK_SEAL_KEY_FILE: keyFile,
      TWOTICK_DURABILITY: 'single',
    },
  })
  const validation = await run('metadata-validation', {
    schema: validationSchema,
    begin: startValidation,
    variables: {
      ...servers,
      ...identity,
      TWOTICK_POSTGRES_URL: database.directoryUrl,
      TWOTICK_LISTEN: validationTarget,
      TWOTICK_REGISTRATION: 'open',
      TWOTICK_RATE_PAIR_MESSAGES: 'none',
      TWOTICK_RATE_PAIR_BYTES: 'none',
      TWOTICK_RATE_SENDER_MESSAGES: 'none',
      TWOTICK_RATE_SENDER_BYTES: 'none',
      TWOTICK_RATE_RECIPIENT_MESSAGES: 'none',
      TWOTICK_RATE_RECIPIENT_BYTES: 'none',
    },
  })
  const fanout = await run('delivery-fanout', {
    schema: fanoutSchema,
    begin: startFanout,
    variables: { ...servers, TWOTICK_REDIS_URL: redis.url },
  })

  /** One gateway more, of as many as the test wants. */
  async function startGateway(more: Environment = {}): Promise<RunningGateway> {
    const listen = `127.0.0.1:${await freePort()}`
    const part = await run('gateway', {
      schema: configSchema,
      begin: start,
      variables: {
        ...servers,
        ...identity,
        TWOTICK_REDIS_URL: redis.url,
        TWOTICK_LISTEN: listen,
        TWOTICK_AUDIENCES: '*',
        TWOTICK_STORE_TARGET: storeTarget,
        TWOTICK_VALIDATION_TARGET: validationTarget,
        ...environment,
        ...more,
      },
    })
    return { ...part, url: `ws://${listen}` }
  }

  return {
    database,
    storeTarget,
    validationTarget,
    nats,
    redis,
    store,
    validation,
    fanout,
    startGateway,
    async close() {
      for (const scope of [...scopes].reverse()) await scope.close()
      await Promise.all([nats.stop(), redis.stop(), database.drop()])
      await rm(folder, { recursive: true, force: true })
    },
  }
}
