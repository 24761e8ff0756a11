// The five services as processes of this machine: what `npm start` and the tests of the whole relay
// share. Each is `node services/<name>/src/main.ts` with its own environment; a process that was
// killed can be started again under the same ports, as an orchestrator would.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { freePort } from './servers/free-port.ts'
import { tethered } from './servers/tether.ts'

export const SERVICES = [
  'envelope-store',
  'metadata-validation',
  'delivery-fanout',
  'gateway',
  'expiry',
] as const

export type ServiceName = (typeof SERVICES)[number]

const CALLERS_FIRST: ServiceName[][] = [
  ['gateway'],
  ['delivery-fanout', 'expiry'],
  ['envelope-store', 'metadata-validation'],
]

const ROOT = join(import.meta.dirname, '..')
const READY_MS = 60_000
const STOP_MS = 15_000

/**
 * As in deploy/Dockerfile. Where there is memory enough, V8 lets the young generation grow to 128 MiB
 * (here: 32) before it is collected; what services read from sockets lies outside of it, and is given
 * back only then.
 */
const NODE_FLAGS = ['--max-semi-space-size=16']

/** What the services are given: servers, secret files, and where devices connect. */
export interface RelaySetting {
  readonly storeUrl: string // Postgres, as the store's role
  readonly directoryUrl: string // Postgres, as the directory's role
  readonly natsUrl: string
  readonly redisUrl: string
  readonly sealKeyFile: string
  readonly serviceSecretFile: string
  readonly gatewayListen: string // host:port
  readonly logLevel: string
}

export interface ServicePorts {
  readonly grpc: number
  readonly health: number
}

/** One service's process. `start` resolves when it is ready. */
export interface ServiceProcess {
  readonly name: ServiceName
  readonly healthUrl: string
  pid(): number | undefined
  /** From its next start on it is the service of another checkout of this repository. */
  runFrom(checkout: string): void
  start(): Promise<void>
  /** SIGTERM, and SIGKILL if it has not ended within 15 s. Resolves to its exit code. */
  stop(): Promise<number | null>
  /** Any signal, at once; resolves when the process is gone if the signal ends it. */
  signal(signal: NodeJS.Signals): Promise<void>
  /** Resolves when the process is gone, to the signal or exit code that it went with. */
  exited(): Promise<string>
}

/** Each service's environment, without what this process happens to have set for twotick. */
export async function serviceEnvironments(
  setting: RelaySetting,
): Promise<Record<ServiceName, NodeJS.ProcessEnv>> {
  const grpc = {
    store: `127.0.0.1:${await freePort()}`,
    validation: `127.0.0.1:${await freePort()}`,
  }
  const nats = { TWOTICK_NATS_URL: setting.natsUrl }
  const redis = { TWOTICK_REDIS_URL: setting.redisUrl }
  const targets = {
    TWOTICK_STORE_TARGET: grpc.store,
    TWOTICK_VALIDATION_TARGET: grpc.validation,
  }
  const secret = { TWOTICK_SERVICE_SECRET_FILE: setting.serviceSecretFile }
  const own: Record<ServiceName, NodeJS.ProcessEnv> = {
    'envelope-store': {
      ...nats,
      ...secret,
      TWOTICK_POSTGRES_URL: setting.storeUrl,
      TWOTICK_LISTEN: grpc.store,
      TWOTICK_SEAL_KEY_FILE: setting.sealKeyFile,
      TWOTICK_DURABILITY: 'single', // one Postgres, on this machine
    },
    'metadata-validation': {
      ...nats,
      ...secret,
      TWOTICK_POSTGRES_URL: setting.directoryUrl,
      TWOTICK_LISTEN: grpc.validation,
      TWOTICK_REGISTRATION: 'open', // a relay of this machine alone
    },
    'delivery-fanout': { ...nats, ...redis },
    gateway: {
      ...nats,
      ...redis,
      ...secret,
      ...targets,
      TWOTICK_LISTEN: setting.gatewayListen,
      TWOTICK_AUDIENCES: '*', // a relay of this machine alone, by whatever name
    },
    expiry: { ...secret, ...targets },
  }
  for (const name of SERVICES) {
    own[name]['TWOTICK_LOG_LEVEL'] = setting.logLevel
    own[name]['TWOTICK_HEALTH_LISTEN'] = `127.0.0.1:${await freePort()}`
  }
  return own
}

function withoutTwotick(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([key]) => !key.startsWith('TWOTICK_')))
}

/**
 * A service that is not yet started; what it prints goes to `print`, line by line. `nodeArguments`
 * come before its main module: those of a profile, say.
 */
export function createServiceProcess(
  name: ServiceName,
  env: NodeJS.ProcessEnv,
  print: (line: string) => void,
  nodeArguments: readonly string[] = [],
): ServiceProcess {
  const healthUrl = `http://${env['TWOTICK_HEALTH_LISTEN']}`
  let child: ChildProcess | undefined
  let checkout = ROOT

  const isGone = () => child === undefined || child.exitCode !== null || child.signalCode !== null

  async function start(): Promise<void> {
    const started = spawnService(name, { checkout, env, nodeArguments })
    child = started
    let rest = ''
    const read = (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) print(line)
    }
    started.stdout.on('data', read)
    started.stderr.on('data', read)
    const deadline = Date.now() + READY_MS
    while (!(await isReady(healthUrl))) {
      if (started.exitCode !== null) throw new Error(`${name} ended with ${started.exitCode}`)
      if (started.signalCode !== null) return // ended from outside: whoever did it knows
      if (Date.now() > deadline) throw new Error(`${name} is not ready after ${READY_MS} ms`)
      await sleep(25)
    }
  }

  async function signal(which: NodeJS.Signals): Promise<void> {
    if (isGone() || child === undefined) return
    const exited = once(child, 'exit')
    child.kill(which)
    if (which === 'SIGKILL') await exited
  }

  async function stop(): Promise<number | null> {
    if (isGone() || child === undefined) return child?.exitCode ?? null
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const late = setTimeout(() => child?.kill('SIGKILL'), STOP_MS)
    await exited
    clearTimeout(late)
    return child.exitCode
  }

  async function exited(): Promise<string> {
    if (!isGone() && child !== undefined) await once(child, 'exit')
    return String(child?.signalCode ?? child?.exitCode)
  }

  const pid = () => child?.pid
  const runFrom = (other: string) => void (checkout = other)
  return { name, healthUrl, pid, runFrom, start, stop, signal, exited }
}

/** Stops services, each before those that it calls. */
export async function stopServices(services: readonly ServiceProcess[]): Promise<void> {
  for (const names of CALLERS_FIRST) {
    const those = services.filter(({ name }) => names.includes(name))
    await Promise.all(those.map((service) => service.stop()))
  }
}

interface Spawning {
  readonly checkout: string
  readonly env: NodeJS.ProcessEnv
  readonly nodeArguments: readonly string[]
}

function spawnService(name: ServiceName, { checkout, env, nodeArguments }: Spawning) {
  const main = join(checkout, 'services', name, 'src/main.ts')
  const telemetry = pathToFileURL(join(checkout, 'packages/chassis/src/telemetry.ts')).href
  const tether = { orphanSignal: 'KILL', user: null } as const
  const parameters = [...NODE_FLAGS, ...nodeArguments, '--import', telemetry, main]
  return spawn(...tethered(process.execPath, parameters, tether), {
    // A process group of its own: Ctrl-C in the terminal is for us, who stop things in order.
    detached: true,
    cwd: checkout,
    env: {
      NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/node'),
      ...withoutTwotick(process.env),
      OTEL_SERVICE_NAME: name,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function isReady(healthUrl: string): Promise<boolean> {
  try {
    const reply = await fetch(`${healthUrl}/readyz`, { signal: AbortSignal.timeout(1_000) })
    return reply.ok
  } catch (refused) {
    // Not listening yet is what is being waited for.
    return refused === undefined
  }
}
