// Processes that die and processes that stand still: every service, Postgres, NATS and Redis.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerProcess } from '../../../scripts/servers/launch.ts'
import { type ServiceName, type ServiceProcess, SERVICES } from '../../../scripts/services.ts'
import type { Fault } from '../fault.ts'
import type { Random } from '../random.ts'
import type { Replica, Stack } from '../stack.ts'

const SERVERS = ['postgres', 'nats', 'redis'] as const

/** Before an orchestrator starts again what has died. */
const RESTART_MS = [200, 2_000] as const
/** Between the end of a replica and the start of the next one in its place. */
const GONE_MS = 100

export const processFaults: readonly Fault[] = [
  ...SERVICES.flatMap((service) => [killOne(service), killAll(service), stopOne(service)]),
  ...SERVERS.flatMap((server) => [killServer(server), stopServer(server)]),
  ...SERVICES.map(rollingRestart),
]

function killOne(service: ServiceName): Fault {
  return {
    name: `kill ${service}`,
    target: service,
    lastsMs: RESTART_MS,
    async inject(stack, random) {
      const { process } = pickReplica(stack, service, random)
      await process.signal('SIGKILL')
      return () => process.start()
    },
  }
}

function killAll(service: ServiceName): Fault {
  return {
    name: `kill all ${service}`,
    target: service,
    lastsMs: RESTART_MS,
    async inject(stack) {
      const replicas = replicasOf(stack, service)
      await Promise.all(replicas.map(({ process }) => process.signal('SIGKILL')))
      return async () => {
        await Promise.all(replicas.map(({ process }) => process.start()))
      }
    },
  }
}

function stopOne(service: ServiceName): Fault {
  return {
    name: `stop ${service}`,
    target: service,
    lastsMs: [1_000, 8_000],
    async inject(stack, random) {
      const { process } = pickReplica(stack, service, random)
      await process.signal('SIGSTOP')
      return () => process.signal('SIGCONT')
    },
  }
}

function killServer(server: (typeof SERVERS)[number]): Fault {
  return {
    name: `kill ${server}`,
    target: server,
    lastsMs: RESTART_MS,
    async inject(stack, random) {
      const process = serverOf(stack, server, random)
      await process.kill()
      return () => process.restart()
    },
  }
}

function stopServer(server: (typeof SERVERS)[number]): Fault {
  return {
    name: `stop ${server}`,
    target: server,
    lastsMs: [1_000, 8_000],
    ...(server === 'postgres' && { stopsCommits: true }),
    async inject(stack, random) {
      const process = serverOf(stack, server, random)
      process.pause()
      return async () => process.resume()
    },
  }
}

/** As a deployment does it: one replica after the other, politely. */
function rollingRestart(service: ServiceName): Fault {
  return {
    name: `rolling restart of ${service}`,
    target: service,
    lastsMs: [0, 0],
    async inject(stack) {
      for (const { process } of replicasOf(stack, service)) await startAnew(process)
      return async () => undefined
    },
  }
}

/** Politely: it ends by itself. */
export async function startAnew(process: ServiceProcess): Promise<void> {
  await process.stop()
  await sleep(GONE_MS)
  await process.start()
}

function serverOf(stack: Stack, server: (typeof SERVERS)[number], random: Random): ServerProcess {
  if (server !== 'postgres' || stack.workers.length === 0) return stack[server]
  return random.pick([stack.postgres, ...stack.workers])
}

export function replicasOf({ replicas }: Stack, service: ServiceName): readonly Replica[] {
  return replicas.filter((replica) => replica.service === service)
}

function pickReplica(stack: Stack, service: ServiceName, random: Random): Replica {
  return random.pick(replicasOf(stack, service))
}
