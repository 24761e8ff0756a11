// A relay of the benchmark's own: private servers with fsync on, the five services as processes, in a
// folder that goes with it; and what each process has used of the CPU, from /proc.

import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openScope, type Scope } from '@twotick/chassis'
import { secretFiles } from '../scripts/running.ts'
import { createCitusDatabase, startPrivateCitus } from '../scripts/servers/citus.ts'
import {
  DIRECTORY_ROLE,
  prepareDatabase,
  STORE_ROLE,
  withDatabase,
  withRole,
} from '../scripts/servers/database.ts'
import { freePort } from '../scripts/servers/free-port.ts'
import {
  createServiceProcess,
  serviceEnvironments,
  SERVICES,
  stopServices,
} from '../scripts/services.ts'
import { makeServerFolder, serverUser } from '../scripts/servers/unprivileged.ts'
import { startServers } from '../scripts/start-servers.ts'
import { descendants, type Usage, usageOf } from './processes.ts'
import { useUpLog } from './used-log.ts'

/** Load must not meet the senders' rates; all else is as by default. */
const WITHOUT_RATES = [
  'PAIR_MESSAGES',
  'PAIR_BYTES',
  'SENDER_MESSAGES',
  'SENDER_RECIPIENTS',
  'SENDER_BYTES',
  'RECIPIENT_MESSAGES',
  'RECIPIENT_BYTES',
].map((name) => [`TWOTICK_RATE_${name}`, 'none'])

/** All connections come from this machine, and are to be there before anything is measured. */
const CONNECTED_SOON = {
  TWOTICK_CONNECTIONS_PER_ADDRESS_MAX: '50000',
  TWOTICK_OPENINGS_PER_S_MAX: '5000',
}

const SERVER_NAMES = {
  postgres: 'postgres',
  'redis-server': 'redis',
  'nats-server': 'nats',
}

export interface BenchRelay {
  readonly url: string
  /** What each part has used: the services, Postgres with its back ends, NATS, Redis. */
  usage(): Record<string, Usage>
  /** The store's transactions so far, and the appends and acks in them; absent where it is elsewhere. */
  batches?(): Promise<Batches>
  /** Stops the services and starts them again; absent where they are elsewhere. */
  renew?(): Promise<void>
  close(): Promise<void>
}

export interface Batches {
  readonly transactions: number
  readonly items: number
}

export interface BenchRelayOptions {
  /** Each service leaves a `.cpuprofile` there when it stops. */
  readonly profileFolder?: string
  /** Of each service. */
  readonly replicas?: number
  /** Beside the defaults, for envelope-store. */
  readonly storeEnv?: Readonly<Record<string, string>>
  /** The share of messages that are traced; their spans go to whoever takes and forgets them. */
  readonly traced?: number | undefined
  /** The programs of a Postgres with Citus: then that, a coordinator and two workers. */
  readonly citus?: string | undefined
}

/** Of several gateways the `url` has each one's, between commas. */
export async function startBenchRelay(options: BenchRelayOptions = {}): Promise<BenchRelay> {
  const { profileFolder, replicas = 1, storeEnv = {}, traced, citus } = options
  const folder = mkdtempSync(join(tmpdir(), 'twotick-bench-'))
  chmodSync(folder, 0o711) // Postgres' user gets in, so the data is here and goes along
  const scope = openScope('bench', { drainMs: 30_000 })
  scope.defer('folder', () => rmSync(folder, { recursive: true, force: true }))
  if (citus !== undefined) process.env['DATABASE_URL'] = await openCitus(citus, scope)
  const isOurs = process.env['DATABASE_URL'] === undefined
  const { databaseUrl, natsUrl, redisUrl } = await startServers(folder, scope, () => undefined)
  if (isOurs) await useUpLog(databaseUrl)
  const ports = await Promise.all(Array.from({ length: replicas }, freePort))
  const environments = await Promise.all(
    ports.map((port) =>
      serviceEnvironments({
        ...secretFiles(folder),
        storeUrl: withRole(databaseUrl, STORE_ROLE),
        directoryUrl: withRole(databaseUrl, DIRECTORY_ROLE),
        natsUrl,
        redisUrl,
        gatewayListen: `127.0.0.1:${port}`,
        logLevel: 'warn',
      }),
    ),
  )
  const targets = {
    TWOTICK_STORE_TARGET: targetOf(environments, 'envelope-store'),
    TWOTICK_VALIDATION_TARGET: targetOf(environments, 'metadata-validation'),
  }
  const tracing = traced === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: await sink(scope) }
  const profile = (name: string) =>
    profileFolder === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-name=${name}.cpuprofile`, `--cpu-prof-dir=${profileFolder}`]
  const services = environments.flatMap((environment) => {
    for (const name of SERVICES) Object.assign(environment[name], tracing)
    if (traced !== undefined) environment.gateway['TWOTICK_TRACE_RATIO'] = String(traced)
    Object.assign(environment['envelope-store'], storeEnv)
    Object.assign(environment['metadata-validation'], Object.fromEntries(WITHOUT_RATES))
    Object.assign(environment.gateway, targets, CONNECTED_SOON, { TWOTICK_GOODBYE_MS: '200' })
    Object.assign(environment.expiry, targets)
    return SERVICES.map((name) => {
      const print = (line: string) => console.error(`${name}: ${line}`)
      return createServiceProcess(name, environment[name], print, profile(name))
    })
  })
  scope.defer('services', () => stopServices(services))
  await Promise.all(services.map((service) => service.start()))

  return {
    url: ports.map((port) => `ws://127.0.0.1:${port}`).join(','),
    usage() {
      const own = SERVICES.map((name) => {
        const those = services.filter((service) => service.name === name)
        return [name, those.map(({ pid }) => pid() ?? 0)] as const
      })
      return usageOf({ ...Object.fromEntries(own), ...descendants(process.pid, SERVER_NAMES) })
    },
    batches: async () => {
      const stores = services.filter(({ name }) => name === 'envelope-store')
      const all = await Promise.all(stores.map(({ healthUrl }) => batchesOf(healthUrl)))
      return {
        transactions: all.reduce((sum, { transactions }) => sum + transactions, 0),
        items: all.reduce((sum, { items }) => sum + items, 0),
      }
    },
    async renew() {
      await stopServices(services)
      await Promise.all(services.map((service) => service.start()))
    },
    close: () => scope.close(),
  }
}

/** Takes spans. */
async function sink(scope: Scope): Promise<string> {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.end())
  })
  scope.defer('sink', () => void server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}

/** From the store's metrics. */
async function batchesOf(healthUrl: string): Promise<Batches> {
  const text = await (await fetch(new URL('/metrics', healthUrl))).text()
  const valueOf = (name: string) =>
    Number(
      new RegExp(`^twotick_store_batch_items_${name}(?:{.*})? ([0-9.e+]+)`, 'm').exec(text)?.[1],
    )
  return { transactions: valueOf('count'), items: valueOf('sum') }
}

type Environments = Awaited<ReturnType<typeof serviceEnvironments>>

/** All replicas of a service, as gRPC has several addresses. */
function targetOf(environments: readonly Environments[], name: keyof Environments): string {
  return `ipv4:${environments.map((one) => one[name]['TWOTICK_LISTEN']).join(',')}`
}

/** A cluster in a folder that goes with it; its database, distributed. */
async function openCitus(programs: string, scope: Scope): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'twotick-'))
  chmodSync(folder, 0o711)
  scope.defer('citus folder', () => rmSync(folder, { recursive: true, force: true }))
  const foldersOf = (node: string) => {
    const own = makeServerFolder(join(folder, node), serverUser())
    return { dataFolder: join(own, 'data'), socketFolder: join(own, 'socket') }
  }
  const citus = await startPrivateCitus(programs, foldersOf, { fsync: true })
  scope.defer('citus', () => citus.stop())
  await createCitusDatabase(citus, 'twotick')
  const url = withDatabase(citus.coordinator, 'twotick')
  await prepareDatabase(url, { isDistributed: true })
  return url
}
