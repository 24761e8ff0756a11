// A relay of the benchmark's own: private servers with fsync on, the five services as processes, in a
// folder that goes with it; and what each process has used of the CPU, from /proc.

import { readdirSync, readFileSync } from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openScope } from '@twotick/chassis'
import { secretFiles } from '../scripts/running.ts'
import { DIRECTORY_ROLE, STORE_ROLE, withRole } from '../scripts/servers/database.ts'
import { freePort } from '../scripts/servers/free-port.ts'
import { createServiceProcess, serviceEnvironments, SERVICES } from '../scripts/services.ts'
import { startServers } from '../scripts/start-servers.ts'

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

const TICKS_PER_SECOND = 100

export interface BenchRelay {
  readonly url: string
  /** CPU seconds since the start of each part: the services, Postgres, NATS, Redis. */
  cpuSeconds(): Record<string, number>
  close(): Promise<void>
}

export async function startBenchRelay(): Promise<BenchRelay> {
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
  environments.gateway['TWOTICK_GOODBYE_MS'] = '200'
  const services = SERVICES.map((name) =>
    createServiceProcess(name, environments[name], (line) => console.error(`${name}: ${line}`)),
  )
  scope.defer('services', () => Promise.all(services.map((service) => service.stop())))
  await Promise.all(services.map((service) => service.start()))

  return {
    url: `ws://127.0.0.1:${port}`,
    cpuSeconds() {
      const parts: Record<string, number> = {}
      for (const service of services) parts[service.name] = cpuOf(service.pid() ?? 0)
      for (const { name, seconds } of serverProcesses()) {
        parts[name] = (parts[name] ?? 0) + seconds
      }
      return parts
    },
    close: () => scope.close(),
  }
}

/** Postgres with its back ends, NATS and Redis, as far as they descend from this process. */
function serverProcesses(): { name: string; seconds: number }[] {
  const processes = readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
  const parents = new Map(processes.map((pid) => [pid, statOf(pid)?.parent ?? 0]))
  const isOurs = (pid: number): boolean =>
    pid === process.pid || (pid > 1 && isOurs(parents.get(pid) ?? 0))
  return processes.filter(isOurs).flatMap((pid) => {
    const name = SERVER_NAMES[statOf(pid)?.command ?? '']
    return name === undefined ? [] : [{ name, seconds: cpuOf(pid) }]
  })
}

const SERVER_NAMES: Record<string, string> = {
  postgres: 'postgres',
  'redis-server': 'redis',
  'nats-server': 'nats',
}

function cpuOf(pid: number): number {
  return statOf(pid)?.cpuSeconds ?? 0
}

function statOf(pid: number) {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (gone) {
    if ((gone as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    if ((gone as NodeJS.ErrnoException).code === 'ESRCH') return undefined
    throw gone
  }
  const command = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'))
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number)
  return {
    command,
    parent: parent ?? 0,
    cpuSeconds: ((user ?? 0) + (system ?? 0)) / TICKS_PER_SECOND,
  }
}
