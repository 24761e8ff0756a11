// A private Postgres: its own data folder, reachable only through a unix socket in a folder that
// only its user can enter. So it needs no password, no free port, and nobody else can meet it.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { requireBinary } from './binaries.ts'
import { launch, type ServerProcess } from './launch.ts'
import { tethered } from './tether.ts'
import { makeServerFolder, serverUser, type User } from './unprivileged.ts'

const run = promisify(execFile)

/** Linux allows 107 bytes for a socket's path; Postgres adds `/.s.PGSQL.5432.lock` to the folder. */
const SOCKET_FOLDER_BYTES_MAX = 88

/**
 * As in docker-compose.yml. A batch comes in arrays of a hundred kilobytes and more; by default glibc
 * gives their memory back after each statement, and the next one's pages are made anew, one by one.
 */
const KEEP_MEMORY = {
  GLIBC_TUNABLES:
    'glibc.malloc.trim_threshold=8388608:glibc.malloc.mmap_threshold=1048576:glibc.malloc.top_pad=262144',
}

export interface PostgresOptions {
  /** Made by initdb where it does not exist yet. */
  dataFolder: string
  socketFolder: string
  /** false spares the disk: fine for tests, as no killed process loses what the kernel has. */
  fsync: boolean
  settings?: Record<string, string>
  /** Of its processes, beside what every server has. */
  env?: Record<string, string>
  logFile?: string
  /** The folder of its programs: another one than the newest that is installed. */
  programs?: string
}

export interface PrivatePostgres extends ServerProcess {
  /** The superuser's URL of the database `postgres`. */
  readonly url: string
}

/** Starts Postgres on a data folder, making that first if need be (about 1 s). */
export async function startPrivatePostgres(options: PostgresOptions): Promise<PrivatePostgres> {
  const { dataFolder, socketFolder, env, logFile } = options
  if (Buffer.byteLength(socketFolder) > SOCKET_FOLDER_BYTES_MAX) {
    throw new Error(`${socketFolder}: too long for a unix socket's path`)
  }
  const user = serverUser()
  makeServerFolder(socketFolder, user)
  if (!existsSync(join(dataFolder, 'PG_VERSION'))) await initialize(dataFolder, options, user)

  const settings = {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    fsync: options.fsync ? 'on' : 'off',
    synchronous_commit: 'on',
    max_connections: '200',
    shared_buffers: '64MB',
    log_timezone: 'UTC',
    timezone: 'UTC',
    ...options.settings,
  }
  const server = await launch({
    name: 'postgres',
    command: program('postgres', options),
    args: ['-D', dataFolder, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
    readyLine: 'database system is ready to accept connections',
    stopSignal: 'SIGINT',
    orphanSignal: 'INT',
    user,
    env: { ...KEEP_MEMORY, ...env },
    logFile,
  })
  return Object.assign(server, {
    url: `postgres://postgres@/postgres?host=${encodeURIComponent(socketFolder)}`,
  })
}

function program(name: string, { programs }: PostgresOptions): string {
  return programs === undefined ? requireBinary(name) : join(programs, name)
}

async function initialize(dataFolder: string, options: PostgresOptions, user: User | null) {
  makeServerFolder(dataFolder, user)
  const sync = options.fsync ? [] : ['--no-sync']
  const auth = ['--username=postgres', '--auth=trust']
  const text = ['--encoding=UTF8', '--locale=C']
  const args = ['-D', dataFolder, ...auth, ...text, ...sync]
  await run(...tethered(program('initdb', options), args, { orphanSignal: 'KILL', user }), {
    cwd: '/',
    env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
  })
}
