// The run's Postgres: a given one (DATABASE_URL), a container's, or a private one made of Debian's
// binaries in a temp folder. Its template database carries both schemas, migrated. With
// TWOTICK_TEST_POSTGRES=citus it is a Citus cluster, whose databases are made one by one.

import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { citusPrograms, type CitusUrls, startPrivateCitus } from '../scripts/servers/citus.ts'
import {
  createDatabase,
  withDatabase,
  dropDatabase,
  prepareDatabase,
} from '../scripts/servers/database.ts'
import { type PrivatePostgres, startPrivatePostgres } from '../scripts/servers/postgres.ts'
import { makeServerFolder, serverUser } from '../scripts/servers/unprivileged.ts'
import { fromContainers, startPostgresContainer } from './containers.ts'

export interface TestPostgres {
  /** The superuser's URL. */
  server: string
  /** The name of the migrated database to clone. */
  template: string
  /** Where the server is a Citus coordinator: all its nodes. */
  citus?: CitusUrls
  /** A folder for the run's other servers, removed at its end. */
  runFolder: string
  close(): Promise<void>
}

/** Starts the run's Postgres, or takes the given one, and migrates the template. */
export async function openPostgres(): Promise<TestPostgres> {
  const runFolder = makeRunFolder()
  if (process.env['TWOTICK_TEST_POSTGRES'] === 'citus') return openCitus(runFolder)
  const { server, stop } = await openServer(runFolder)
  const template = `twotick_template_${randomBytes(4).toString('hex')}`
  try {
    await createDatabase(server, template)
    await prepareDatabase(withDatabase(server, template))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    server,
    template,
    runFolder,
    close: async () => {
      await dropDatabase(server, template)
      await stop()
      rmSync(runFolder, { recursive: true, force: true })
    },
  }
}

async function openCitus(runFolder: string): Promise<TestPostgres> {
  const programs = citusPrograms()
  if (programs === undefined) throw new Error('there is no Postgres with Citus here')
  const citus = await startPrivateCitus(programs, (node) => foldersIn(join(runFolder, node)))
  const close = async () => {
    await citus.stop()
    rmSync(runFolder, { recursive: true, force: true })
  }
  const { coordinator, workers } = citus
  return {
    server: coordinator,
    template: '',
    citus: { coordinator, workers },
    runFolder,
    close,
  }
}

function foldersIn(folder: string) {
  makeServerFolder(folder, serverUser())
  return { dataFolder: join(folder, 'data'), socketFolder: join(folder, 'socket') }
}

/** A Postgres for tests in a folder of its own, without fsync unless asked for. */
export function startTestPostgres(
  folder: string,
  { fsync = false, settings = {} }: { fsync?: boolean; settings?: Record<string, string> } = {},
): Promise<PrivatePostgres> {
  return startPrivatePostgres({ ...foldersIn(folder), fsync, settings })
}

async function openServer(runFolder: string) {
  const given = process.env['DATABASE_URL']
  if (given !== undefined) return { server: given, stop: async () => undefined }
  if (fromContainers()) {
    const { url, stop } = await startPostgresContainer()
    return { server: url, stop }
  }
  const { url, stop } = await startTestPostgres(join(runFolder, 'postgres'))
  return { server: url, stop }
}

function makeRunFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'twotick-'))
  // The servers' user must get through; what is inside is private to it.
  chmodSync(folder, 0o711)
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
