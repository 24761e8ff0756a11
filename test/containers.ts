// Servers in containers (TWOTICK_TEST_SERVERS=containers), through testcontainers. The same tests,
// on the images that operators run; for tests that stop and kill servers, Debian's binaries serve.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers'

const IMAGES = parseEnv(readFileSync(join(import.meta.dirname, '../.env'), 'utf8'))

export interface ContainerServer {
  url: string
  stop(): Promise<void>
}

/** Whether this run takes its servers from containers. */
export function fromContainers(): boolean {
  return process.env['TWOTICK_TEST_SERVERS'] === 'containers'
}

export async function startPostgresContainer(): Promise<ContainerServer> {
  const started = await new GenericContainer(image('POSTGRES_IMAGE'))
    .withEnvironment({ POSTGRES_PASSWORD: 'test' })
    .withExposedPorts(5432)
    // Once for the server that initializes the data folder, once for the real one.
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .start()
  return serverOf(started, 5432, (address) => `postgres://postgres:test@${address}/postgres`)
}

export async function startNatsContainer(): Promise<ContainerServer> {
  const started = await new GenericContainer(image('NATS_IMAGE'))
    .withExposedPorts(4222)
    .withWaitStrategy(Wait.forLogMessage(/Server is ready/))
    .start()
  return serverOf(started, 4222, (address) => `nats://${address}`)
}

export async function startRedisContainer(): Promise<ContainerServer> {
  const started = await new GenericContainer(image('REDIS_IMAGE'))
    .withExposedPorts(6379)
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .start()
  return serverOf(started, 6379, (address) => `redis://${address}`)
}

/** As .env names it, unless the environment names another. */
function image(name: string): string {
  const found = process.env[name] ?? IMAGES[name]
  if (found === undefined) throw new Error(`.env names no ${name}`)
  return found
}

function serverOf(
  container: StartedTestContainer,
  port: number,
  url: (address: string) => string,
): ContainerServer {
  return {
    url: url(`${container.getHost()}:${container.getMappedPort(port)}`),
    stop: async () => {
      await container.stop()
    },
  }
}
