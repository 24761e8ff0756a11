// The running stack that faults are injected into: private Postgres, NATS and Redis, one or more
// replicas of each service as processes, and a line (line.ts) between any two parts. Every
// connection goes over a line; devices come over one that spreads them over the gateways that are
// ready, as a load balancer would.

import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Scope } from '@twotick/chassis'
import pg from 'pg'
import { openLog } from '../../scripts/log-file.ts'
import { secretFiles } from '../../scripts/running.ts'
import { createCitusDatabase, startPrivateCitus } from '../../scripts/servers/citus.ts'
import {
  createDatabase,
  DIRECTORY_ROLE,
  type Preparation,
  prepareDatabase,
  sqlOf,
  STORE_ROLE,
  withDatabase,
  withRole,
} from '../../scripts/servers/database.ts'
import { startPrivateNats } from '../../scripts/servers/nats.ts'
import { type PrivatePostgres, startPrivatePostgres } from '../../scripts/servers/postgres.ts'
import { type PrivateRedis, startPrivateRedis } from '../../scripts/servers/redis.ts'
import { makeServerFolder, serverUser } from '../../scripts/servers/unprivileged.ts'
import type { ServerProcess } from '../../scripts/servers/launch.ts'
import {
  createServiceProcess,
  type ServiceName,
  type ServiceProcess,
} from '../../scripts/services.ts'
import type { Fleet } from './fleet.ts'
import type { Line } from './line.ts'
import { createReadiness } from './readiness.ts'
import { wire } from './wiring.ts'

export const DATABASE = 'twotick'

/** How Postgres is started; a fault's `prepare` may change it. */
export interface PostgresSetting {
  /** Its data; must be reachable for the servers' user (scripts/servers/unprivileged.ts). */
  dataFolder: string
  settings: Record<string, string>
  /** Of its processes, beside PATH, LC_ALL and TZ: LD_PRELOAD, say. */
  env: Record<string, string>
}

export interface StackSetting {
  /** Of the run: data, logs and histories. */
  readonly folder: string
  readonly replicas: number
  readonly postgres: PostgresSetting
  /** Where the programs of a Postgres with Citus are: then the mailboxes are spread over two workers. */
  readonly citus?: string | undefined
  /** Another checkout of this repository, whose services and schema it is to begin with. */
  readonly checkout?: string | undefined
  /** More environment for every service, over what it is given anyway. */
  readonly env: NodeJS.ProcessEnv
  /** And for all replicas of one. */
  readonly envOf?: Readonly<Partial<Record<ServiceName, NodeJS.ProcessEnv>>>
  /** Without lines: what is measured here must not go through this process. */
  readonly isDirect?: boolean
}

/** One replica of one service. */
export interface Replica {
  /** `gateway 2` */
  readonly name: string
  readonly service: ServiceName
  readonly process: ServiceProcess
  readonly logFile: string
}

export interface Stack {
  /** Where devices connect: over a line to any gateway, or to the first one. */
  readonly url: string
  /** Over a line that one alone, else each gateway's. */
  readonly urls: readonly string[]
  readonly replicas: readonly Replica[]
  /** The checkout that it has begun with, if that is another one. */
  readonly checkout: string | undefined
  readonly postgres: PrivatePostgres & {
    readonly dataFolder: string
    readonly socketFolder: string
  }
  /** The other nodes, where that is a Citus coordinator. */
  readonly workers: readonly PrivatePostgres[]
  readonly nats: ServerProcess
  readonly redis: PrivateRedis
  /** By name: `devices > gateway`, `gateway > envelope-store 2`, `envelope-store > postgres`, … */
  readonly lines: readonly Line[]
  /** The devices; there once the run has started them. */
  fleet: Fleet | undefined
  /** Rows of a query as the superuser, straight to Postgres and not over a line. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
}

/** What `postgres` is if no fault changes it: everything durable, as in production. */
export function postgresSetting(folder: string): PostgresSetting {
  return { dataFolder: join(folder, 'postgres'), settings: {}, env: {} }
}

/** Starts everything; what it opens is closed with the scope. About three seconds. */
export async function openStack(setting: StackSetting, scope: Scope): Promise<Stack> {
  const { folder, checkout } = setting
  const { postgres, workers } = await openPostgres(setting, scope)
  const [nats, redis] = await Promise.all([startPrivateNats(), startPrivateRedis()])
  scope.defer('nats', () => nats.stop())
  scope.defer('redis', () => redis.stop())

  const database = withDatabase(postgres.url, DATABASE)
  const plan = {
    ...secretFiles(folder, checkout !== undefined),
    storeUrl: withRole(database, STORE_ROLE),
    directoryUrl: withRole(database, DIRECTORY_ROLE),
    natsUrl: nats.url,
    redisUrl: redis.url,
    postgresSocket: join(socketFolder(folder), '.s.PGSQL.5432'),
    replicas: setting.replicas,
    isDirect: setting.isDirect ?? false,
  }
  const readiness = createReadiness()
  const { urls, lines, environments } = await wire(plan, readiness)
  scope.defer('lines', () => Promise.all(lines.map((line) => line.close())))
  const replicas = environments.map(({ name, service, env }): Replica => {
    const log = openLog(folder, name.replace(' ', '-'))
    const whole = { ...env, ...setting.env, ...setting.envOf?.[service] }
    const process = createServiceProcess(service, whole, log.write)
    if (checkout !== undefined) process.runFrom(checkout)
    return { name, service, process, logFile: log.path }
  })
  scope.defer('services', () => stopAll(replicas))
  await Promise.all(replicas.map(({ process }) => process.start()))
  readiness.watch(replicas)
  scope.defer('readiness', () => readiness.stop())

  const pool = new pg.Pool({ connectionString: database, max: 2, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => undefined) // a fault; the query in flight fails with it
  scope.defer('pool', () => pool.end())
  const sql = async (text: string, values?: unknown[]) => (await pool.query(text, values)).rows
  const servers = { postgres, workers, nats, redis }
  const [url = ''] = urls
  return { url, urls, replicas, checkout, ...servers, lines, fleet: undefined, sql }
}

async function stopAll(replicas: readonly Replica[]): Promise<void> {
  const isGateway = ({ service }: Replica) => service === 'gateway'
  for (const those of [replicas.filter(isGateway), replicas.filter((one) => !isGateway(one))]) {
    await Promise.all(
      those.map(async ({ process }) => {
        await process.signal('SIGCONT')
        await process.stop()
      }),
    )
  }
}

async function openPostgres(setting: StackSetting, scope: Scope) {
  const { folder, postgres, citus, checkout } = setting
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o711) // Postgres' user goes through it
  const schema = checkout === undefined ? {} : { files: sqlOf(checkout) }
  if (citus !== undefined) return openCitus({ folder, programs: citus, schema }, scope)
  const { dataFolder, settings, env } = postgres
  makeServerFolder(dataFolder, serverUser())
  const server = await startPrivatePostgres({
    dataFolder,
    socketFolder: socketFolder(folder),
    fsync: true,
    settings,
    env,
    logFile: join(folder, 'postgres.log'),
  })
  scope.defer('postgres', () => server.stop())
  await createDatabase(server.url, DATABASE)
  await prepareDatabase(withDatabase(server.url, DATABASE), schema)
  const folders = { dataFolder, socketFolder: socketFolder(folder) }
  return { postgres: Object.assign(server, folders), workers: [] }
}

/** The coordinator is at the same socket. */
async function openCitus(
  { folder, programs, schema }: { folder: string; programs: string; schema: Preparation },
  scope: Scope,
) {
  const foldersOf = (node: string) =>
    node === 'coordinator'
      ? { dataFolder: join(folder, 'postgres'), socketFolder: socketFolder(folder) }
      : { dataFolder: join(folder, node), socketFolder: join(folder, `s-${node}`) }
  const citus = await startPrivateCitus(programs, foldersOf, { fsync: true })
  scope.defer('citus', () => citus.stop())
  await createCitusDatabase(citus, DATABASE)
  const url = withDatabase(citus.coordinator, DATABASE)
  await prepareDatabase(url, { ...schema, isDistributed: true })
  const [coordinator, ...workers] = citus.nodes
  return { postgres: Object.assign(coordinator, foldersOf('coordinator')), workers }
}

function socketFolder(folder: string): string {
  return join(folder, 'socket')
}
