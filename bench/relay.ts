// A relay of the benchmark's own: private servers with fsync on, the five services as processes, in a
// folder that goes with it; and what each process has used of the CPU, from /proc.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openScope } from '@twotick/chassis'
import { secretFiles } from '../scripts/running.ts'
import { DIRECTORY_ROLE, STORE_ROLE, withRole } from '../scripts/servers/database.ts'
import { freePort } from '../scripts/servers/free-port.ts'
import { createServiceProcess, serviceEnvironments, SERVICES } from '../scripts/services.ts'
import { startServers } from '../scripts/start-servers.ts'
import { descendants, type Usage, usageOf } from './processes.ts'

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

/** All connections come from this machine. */
const FROM_ONE_ADDRESS = { TWOTICK_CONNECTIONS_PER_ADDRESS_MAX: '50000' }

const SERVER_NAMES = {
  postgres: 'postgres',
  'redis-server': 'redis',
  'nats-server': 'nats',
}

export interface BenchRelay {
  readonly url: string
  /** What each part has used: the services, Postgres with its back ends, NATS, Redis. */
  usage(): Record<string, Usage>
  close(): Promise<void>
}

/** With a `profileFolder`, each service leaves a `.cpuprofile` there when it stops. */
export async function startBenchRelay(profileFolder?: string): Promise<BenchRelay> {
  const folder = mkdtempSync(join(tmpdir(), 'twotick-bench-'))
  const scope = openScope('bench', { drainMs: 30_000 })
  scope.defer('folder', () => rmSync(folder, { recursive: true, force: true }))
  const { databaseUrl, natsUrl, redisUrl } = await startServers(folder, scope, () => undefined)
  const port = await freePort()
  const environments = await serviceEnvironments({
    ...secretFiles(folder),
    storeUrl: withRole(databaseUrl, STORE_ROLE),
    directoryUrl: withRole(databaseUrl, DIRECTORY_ROLE),
    natsUrl,
    redisUrl,
    gatewayListen: `127.0.0.1:${port}`,
    logLevel: 'warn',
  })
  Object.assign(environments['metadata-validation'], Object.fromEntries(WITHOUT_RATES))
  Object.assign(environments.gateway, FROM_ONE_ADDRESS, { TWOTICK_GOODBYE_MS: '200' })
  const services = SERVICES.map((name) => {
    const profile = ['--cpu-prof', `--cpu-prof-name=${name}.cpuprofile`]
    return createServiceProcess(
      name,
      environments[name],
      (line) => console.error(`${name}: ${line}`),
      profileFolder === undefined ? [] : [...profile, `--cpu-prof-dir=${profileFolder}`],
    )
  })
  scope.defer('services', () => Promise.all(services.map((service) => service.stop())))
  await Promise.all(services.map((service) => service.start()))

  return {
    url: `ws://127.0.0.1:${port}`,
    usage() {
      const own = services.map(({ name, pid }) => [name, [pid() ?? 0]] as const)
      return usageOf({ ...Object.fromEntries(own), ...descendants(process.pid, SERVER_NAMES) })
    },
    close: () => scope.close(),
  }
}
