// The servers of `npm start`: the given ones (DATABASE_URL, NATS_URL, REDIS_URL), else private ones.
// Postgres' data stays in .twotick/postgres; NATS and Redis keep nothing.

import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OpenScope } from '@twotick/chassis'
import { logPath } from './log-file.ts'
import { createDatabase, hasDatabase, prepareDatabase, withDatabase } from './servers/database.ts'
import { startPrivateNats } from './servers/nats.ts'
import { startPrivatePostgres } from './servers/postgres.ts'
import { startPrivateRedis } from './servers/redis.ts'
import { canEnter, makeServerFolder, serverUser } from './servers/unprivileged.ts'

const DATABASE = 'twotick'

/** Where Postgres' data lies if its user cannot reach .twotick/, as in root's home. */
const REACHABLE_FOLDER = '/var/lib/twotick'

type Say = (name: string, where: string) => void

/** Starts what is not given, each with its end in `scope`; the database is migrated. */
export async function startServers(folder: string, scope: OpenScope, say: Say) {
  const [databaseUrl, natsUrl, redisUrl] = await Promise.all([
    openDatabase(folder, scope, say),
    process.env['NATS_URL'] ?? openServer('nats', startPrivateNats(logPath(folder, 'nats'))),
    process.env['REDIS_URL'] ?? openServer('redis', startPrivateRedis(logPath(folder, 'redis'))),
  ])
  return { databaseUrl, natsUrl, redisUrl }

  async function openServer(
    name: string,
    starting: Promise<{ url: string; stop(): Promise<void> }>,
  ) {
    const { url, stop } = await starting
    scope.defer(name, stop)
    say(name, url)
    return url
  }
}

async function openDatabase(folder: string, scope: OpenScope, say: Say): Promise<string> {
  const given = process.env['DATABASE_URL']
  if (given !== undefined) {
    await prepareDatabase(given)
    return given
  }
  // In the system's temp folder: a unix socket's path must be short.
  const runFolder = mkdtempSync(join(tmpdir(), 'twotick-'))
  chmodSync(runFolder, 0o711)
  scope.defer('socket folder', () => rmSync(runFolder, { recursive: true, force: true }))
  const server = await startPrivatePostgres({
    dataFolder: dataFolder(folder),
    socketFolder: join(runFolder, 'postgres'),
    fsync: true,
    settings: { autovacuum_naptime: '5s' }, // as in docker-compose.yml
    logFile: logPath(folder, 'postgres'),
  })
  scope.defer('postgres', server.stop)
  const url = withDatabase(server.url, DATABASE)
  if (!(await hasDatabase(server.url, DATABASE))) await createDatabase(server.url, DATABASE)
  await prepareDatabase(url)
  say('postgres', `socket in ${join(runFolder, 'postgres')}`)
  return url
}

function dataFolder(folder: string): string {
  const inside = join(folder, 'postgres')
  const user = serverUser()
  if (existsSync(inside)) return realpathSync(inside)
  if (user === null || canEnter(folder, user)) return inside
  const outside = join(REACHABLE_FOLDER, randomBytes(4).toString('hex'))
  console.log(`Postgres' user cannot reach ${folder}: its data is in ${outside}`)
  mkdirSync(REACHABLE_FOLDER, { recursive: true, mode: 0o711 })
  makeServerFolder(outside, user)
  symlinkSync(outside, inside)
  return outside
}
