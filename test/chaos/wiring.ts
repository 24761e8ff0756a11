// Who dials whom, and over which line: the environment of each replica names lines, never a server.

import { serviceEnvironments, type ServiceName, SERVICES } from '../../scripts/services.ts'
import { freePort } from '../../scripts/servers/free-port.ts'
import { openLine, type Line, type Upstream } from './line.ts'
import type { Readiness } from './readiness.ts'

export interface WiringPlan {
  readonly storeUrl: string
  readonly directoryUrl: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly postgresSocket: string
  readonly sealKeyFile: string
  readonly serviceSecretFile: string
  readonly replicas: number
  /** Everybody dials whom they mean: no line can be impaired, and this process carries nothing. */
  readonly isDirect: boolean
}

export interface ReplicaEnvironment {
  readonly name: string
  readonly service: ServiceName
  readonly env: NodeJS.ProcessEnv
}

/** Rates that the load does not meet. */
const WITHOUT_RATES = Object.fromEntries(
  [
    'PAIR_MESSAGES',
    'PAIR_BYTES',
    'SENDER_MESSAGES',
    'SENDER_RECIPIENTS',
    'SENDER_BYTES',
    'RECIPIENT_MESSAGES',
    'RECIPIENT_BYTES',
  ].map((name) => [`TWOTICK_RATE_${name}`, 'none']),
)

const DIALS: Record<'postgres' | 'nats' | 'redis', readonly ServiceName[]> = {
  postgres: ['envelope-store', 'metadata-validation'],
  nats: ['envelope-store', 'metadata-validation', 'delivery-fanout', 'gateway'],
  redis: ['delivery-fanout', 'gateway'],
}

const CALLERS: readonly ServiceName[] = ['gateway', 'expiry']
const CALLED = { 'envelope-store': 'STORE', 'metadata-validation': 'VALIDATION' } as const

/** Opens every line, and says what each replica is started with. */
export async function wire(plan: WiringPlan, readiness: Readiness) {
  const replicas = await plainEnvironments(plan)
  if (plan.isDirect) return { ...wireDirectly(replicas), lines: [] }
  const lines: Line[] = []
  const open = async (name: string, upstream: () => Upstream | undefined) => {
    const line = await openLine({ name, upstream })
    lines.push(line)
    return line
  }
  const listens = (service: ServiceName) => listening(replicas, service)

  const servers = {
    postgres: { path: plan.postgresSocket },
    nats: { port: portOf(plan.natsUrl) },
    redis: { port: portOf(plan.redisUrl) },
  }
  for (const [server, dialers] of Object.entries(DIALS)) {
    const upstream = servers[server as keyof typeof servers]
    for (const service of dialers) {
      const { port } = await open(`${service} > ${server}`, () => upstream)
      for (const { env } of listens(service))
        env[`TWOTICK_${server.toUpperCase()}_URL`] = urlOver(
          port,
          env[`TWOTICK_${server.toUpperCase()}_URL`] ?? '',
        )
    }
  }
  for (const caller of CALLERS) {
    for (const [called, variable] of Object.entries(CALLED)) {
      const ports: number[] = []
      for (const { name, env } of listens(called as ServiceName)) {
        const to = { port: portOf(`tcp://${env['TWOTICK_LISTEN']}`) }
        ports.push((await open(`${caller} > ${name}`, () => to)).port)
      }
      const target = `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(',')}`
      for (const { env } of listens(caller)) env[`TWOTICK_${variable}_TARGET`] = target
    }
  }
  const gateways = listens('gateway').map(({ name, env }) => {
    return { name, port: portOf(`tcp://${env['TWOTICK_LISTEN']}`) }
  })
  let turn = 0
  const balanced = await open('devices > gateway', () => {
    const ready = gateways.filter(({ name }) => readiness.isReady(name))
    return ready[turn++ % ready.length]
  })
  const urls = [`ws://127.0.0.1:${balanced.port}`]
  return { urls, lines, environments: replicas }
}

function wireDirectly(environments: readonly ReplicaEnvironment[]) {
  const addresses = (service: ServiceName) =>
    listening(environments, service).map(({ env }) => env['TWOTICK_LISTEN'] ?? '')
  for (const caller of CALLERS) {
    for (const [called, variable] of Object.entries(CALLED)) {
      const target = `ipv4:${addresses(called as ServiceName).join(',')}`
      for (const { env } of listening(environments, caller)) {
        env[`TWOTICK_${variable}_TARGET`] = target
      }
    }
  }
  return { urls: addresses('gateway').map((address) => `ws://${address}`), environments }
}

function listening(replicas: readonly ReplicaEnvironment[], service: ServiceName) {
  return replicas.filter((one) => one.service === service)
}

async function plainEnvironments(plan: WiringPlan): Promise<ReplicaEnvironment[]> {
  const replicas: ReplicaEnvironment[] = []
  for (let number = 1; number <= plan.replicas; number++) {
    const gatewayListen = `127.0.0.1:${await freePort()}`
    const environments = await serviceEnvironments({ ...plan, gatewayListen, logLevel: 'warn' })
    Object.assign(environments['metadata-validation'], WITHOUT_RATES)
    // All devices come from one address here.
    environments.gateway['TWOTICK_CONNECTIONS_PER_ADDRESS_MAX'] = '20000'
    for (const service of SERVICES) {
      replicas.push({ name: `${service} ${number}`, service, env: environments[service] })
    }
  }
  return replicas
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** The URL with a line's port for its host; Postgres' socket is behind the line then. */
function urlOver(port: number, url: string): string {
  const [, scheme = '', user = '', path = ''] =
    /^(\w+:\/\/)(?:([^@/]*)@)?[^/?]*(\/[^?]*)?/.exec(url) ?? []
  return `${scheme}${user === '' ? '' : `${user}@`}127.0.0.1:${port}${path}`
}
