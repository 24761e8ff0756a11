// Where a test's servers come from, decided here alone: given URLs (DATABASE_URL, NATS_URL,
// REDIS_URL), containers (TWOTICK_TEST_SERVERS=containers), a private Citus as the Postgres
// (TWOTICK_TEST_POSTGRES=citus), else Debian's binaries as private processes. One Postgres a run with a
// database a file; NATS and Redis are cheap: one each a file.
//
// A test that stops, kills or pauses a server asks for its own: `startPostgres()`, and
// `startNats({ own: true })`, `startRedis({ own: true })`.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { inject } from 'vitest'
import { createCitusDatabase, dropCitusDatabase } from '../scripts/servers/citus.ts'
import {
  createDatabase,
  DIRECTORY_ROLE,
  dropDatabase,
  prepareDatabase,
  STORE_ROLE,
  withDatabase,
  withRole,
} from '../scripts/servers/database.ts'
import type { ServerProcess } from '../scripts/servers/launch.ts'
import { startPrivateNats } from '../scripts/servers/nats.ts'
import { startPrivateRedis } from '../scripts/servers/redis.ts'
import {
  type ContainerServer,
  fromContainers,
  startNatsContainer,
  startRedisContainer,
} from './containers.ts'
import type {} from './global-setup.ts'
import { startTestPostgres } from './postgres.ts'

/** A migrated database of a test's own. */
export interface TestDatabase {
  /** As the superuser. */
  url: string
  /** As envelope-store's role. */
  storeUrl: string
  /** As metadata-validation's role. */
  directoryUrl: string
  drop(): Promise<void>
}

/** A server that the test may stop, kill, pause and start again, if it is its own. */
export interface TestServer extends ServerProcess {
  readonly url: string
}

/** A private Postgres with the migrated database of a test. */
export interface TestPostgresServer extends TestServer {
  readonly database: TestDatabase
}

export interface ServerChoice {
  /** The test means to stop, kill or pause it: a process of ours, whatever URLs are given. */
  own?: boolean
}

/** Clones the run's template: about 30 ms. On Citus it is made and distributed: about 2 s. */
export async function testDatabase(): Promise<TestDatabase> {
  const { server, template, citus } = inject('postgres')
  const name = `twotick_test_${randomBytes(6).toString('hex')}`
  if (citus !== undefined) {
    await createCitusDatabase(citus, name)
    await prepareDatabase(withDatabase(server, name), { isDistributed: true })
    return { ...databaseAt(server, name), drop: () => dropCitusDatabase(citus, name) }
  }
  await createDatabase(server, name, template)
  return databaseAt(server, name)
}

export async function startNats({ own = false }: ServerChoice = {}): Promise<TestServer> {
  const given = process.env['NATS_URL']
  if (own || (given === undefined && !fromContainers())) return startPrivateNats()
  return notOurs(given === undefined ? await startNatsContainer() : givenServer(given))
}

export async function startRedis({ own = false }: ServerChoice = {}): Promise<TestServer> {
  const given = process.env['REDIS_URL']
  if (own || (given === undefined && !fromContainers())) return startPrivateRedis()
  return notOurs(given === undefined ? await startRedisContainer() : givenServer(given))
}

/** A Postgres of the test's own (about 1.5 s); `stop` ends it but keeps its data for `restart`. */
export async function startPostgres(
  options: { fsync?: boolean; settings?: Record<string, string> } = {},
): Promise<TestPostgresServer> {
  const folder = mkdtempSync(join(inject('postgres').runFolder, 'own-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const server = await startTestPostgres(folder, options)
  const name = 'twotick'
  await createDatabase(server.url, name)
  await prepareDatabase(withDatabase(server.url, name))
  return Object.assign(server, { database: databaseAt(server.url, name) })
}

function databaseAt(server: string, name: string): TestDatabase {
  const url = withDatabase(server, name)
  return {
    url,
    storeUrl: withRole(url, STORE_ROLE),
    directoryUrl: withRole(url, DIRECTORY_ROLE),
    drop: () => dropDatabase(server, name),
  }
}

function givenServer(url: string): ContainerServer {
  return { url, stop: async () => undefined }
}

/** A server that no test may touch: others use it, or it is a container's. */
function notOurs({ url, stop }: ContainerServer): TestServer {
  const refuse = () => {
    throw new Error('not a process of this test: ask for { own: true }')
  }
  return {
    url,
    get pid() {
      return refuse()
    },
    stop,
    kill: refuse,
    pause: refuse,
    resume: refuse,
    restart: refuse,
  }
}
