// The whole relay for a test: real servers, the five services as processes of their own, reached
// through the gateway as a user reaches it. Given TWOTICK_TEST_URL, the tests that need nothing but
// devices (e2e/anywhere.test.ts) drive a relay that runs elsewhere: compose, Kubernetes.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from '../scripts/servers/free-port.ts'
import {
  createServiceProcess,
  serviceEnvironments,
  type ServiceName,
  type ServiceProcess,
  SERVICES,
} from '../scripts/services.ts'
import {
  startNats,
  startPostgres,
  startRedis,
  testDatabase,
  type TestDatabase,
  type TestPostgresServer,
  type TestServer,
} from './servers.ts'

export interface RelayOptions {
  /** More environment for a service, over what it is given anyway. */
  env?: Partial<Record<ServiceName, NodeJS.ProcessEnv>>
  /** The test means to stop or kill servers: give it its own ones. */
  ownServers?: boolean
}

export interface Relay {
  readonly url: string
  readonly services: Record<ServiceName, ServiceProcess>
  readonly nats: TestServer
  readonly redis: TestServer
  /** Only with `ownServers`. */
  readonly postgres: TestPostgresServer | undefined
  /** What the services printed, for a test that failed. */
  readonly output: string[]
  /** Rows of a query as the superuser. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** One more gateway beside the first; it ends with the relay. */
  addGateway(): Promise<{ url: string; process: ServiceProcess }>
  stop(): Promise<void>
}

/** Rates that no test's own traffic meets; a test of the rates sets its own. */
const WITHOUT_RATES: NodeJS.ProcessEnv = {
  TWOTICK_RATE_PAIR_MESSAGES: 'none',
  TWOTICK_RATE_PAIR_BYTES: 'none',
  TWOTICK_RATE_SENDER_MESSAGES: 'none',
  TWOTICK_RATE_SENDER_RECIPIENTS: 'none',
  TWOTICK_RATE_SENDER_BYTES: 'none',
  TWOTICK_RATE_RECIPIENT_MESSAGES: 'none',
  TWOTICK_RATE_RECIPIENT_BYTES: 'none',
}

const OUTPUT_LINES_MAX = 2_000

/** The relay at TWOTICK_TEST_URL, or one of the test's own: for tests that use devices alone. */
export async function anyRelay(): Promise<Pick<Relay, 'url' | 'stop'>> {
  const url = process.env['TWOTICK_TEST_URL']
  return url === undefined ? startRelay() : { url, stop: async () => undefined }
}

/** Starts everything; about two seconds. */
export async function startRelay({ env = {}, ownServers = false }: RelayOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'twotick-relay-'))
  const postgres = ownServers ? await startPostgres() : undefined
  const database: TestDatabase = postgres?.database ?? (await testDatabase())
  const [nats, redis] = await Promise.all([
    startNats({ own: ownServers }),
    startRedis({ own: ownServers }),
  ])
  const port = await freePort()
  const environments = await serviceEnvironments({
    ...secretFiles(folder),
    storeUrl: database.storeUrl,
    directoryUrl: database.directoryUrl,
    natsUrl: nats.url,
    redisUrl: redis.url,
    gatewayListen: `127.0.0.1:${port}`,
    logLevel: 'warn',
  })
  const output: string[] = []
  const create = (name: ServiceName): [ServiceName, ServiceProcess] => {
    const given = name === 'metadata-validation' ? WITHOUT_RATES : {}
    const whole = { ...environments[name], ...given, ...env[name] }
    return [name, createServiceProcess(name, whole, (line) => keep(output, `${name}: ${line}`))]
  }
  const services = Object.fromEntries(SERVICES.map(create)) as Record<ServiceName, ServiceProcess>
  await Promise.all(SERVICES.map((name) => services[name].start())).catch((error: Error) => {
    throw new Error([error.message, ...output].join('\n'), { cause: error })
  })

  const pool = new pg.Pool({ connectionString: database.url, max: 2 })
  pool.on('error', (error) => keep(output, `test pool: ${error.message}`))

  const moreGateways: ServiceProcess[] = []
  async function addGateway() {
    const listen = `127.0.0.1:${await freePort()}`
    const health = `127.0.0.1:${await freePort()}`
    const ports = { TWOTICK_LISTEN: listen, TWOTICK_HEALTH_LISTEN: health }
    const whole = { ...environments.gateway, ...env.gateway, ...ports }
    const print = (line: string) => keep(output, `gateway ${listen}: ${line}`)
    const gateway = createServiceProcess('gateway', whole, print)
    moreGateways.push(gateway)
    await gateway.start()
    return { url: `ws://${listen}`, process: gateway }
  }

  async function stop(): Promise<void> {
    await Promise.all([services.gateway, ...moreGateways].map((gateway) => gateway.stop()))
    await Promise.all(SERVICES.map((name) => services[name].stop()))
    await pool.end()
    await Promise.all([nats.stop(), redis.stop()])
    if (postgres === undefined) await database.drop()
    else await postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }

  const relay: Relay = {
    url: `ws://127.0.0.1:${port}`,
    services,
    nats,
    redis,
    postgres,
    output,
    sql: async (text, values) => (await pool.query(text, values)).rows,
    addGateway,
    stop,
  }
  return relay
}

function secretFiles(folder: string) {
  const sealKeyFile = join(folder, 'seal-keys')
  writeFileSync(sealKeyFile, `1 ${randomBytes(32).toString('base64')} once\n`, { mode: 0o600 })
  const serviceSecretFile = join(folder, 'service-secret')
  writeFileSync(serviceSecretFile, randomBytes(32).toString('hex'), { mode: 0o600 })
  return { sealKeyFile, serviceSecretFile }
}

function keep(output: string[], line: string): void {
  output.push(line)
  if (output.length > OUTPUT_LINES_MAX) output.shift()
}
