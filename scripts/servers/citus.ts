// A private Citus: a coordinator and two workers, each a Postgres of its own in a folder, which find
// one another by their unix sockets. For tests: Citus is AGPL, is installed by whoever wants it, and is
// never shipped with twotick.

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findBinary } from './binaries.ts'
import { createDatabase, dropDatabase, withClient, withDatabase } from './database.ts'
import { type PrivatePostgres, startPrivatePostgres } from './postgres.ts'

const PORT = 5432
const WORKERS = 2

/** The superuser's URLs of a cluster's nodes. */
export interface CitusUrls {
  readonly coordinator: string
  readonly workers: readonly string[]
}

export interface PrivateCitus extends CitusUrls {
  /** The coordinator first. */
  readonly nodes: readonly [PrivatePostgres, ...PrivatePostgres[]]
  stop(): Promise<void>
}

/**
 * The folder of the programs of a Postgres that has Citus: `TWOTICK_TEST_CITUS`, or the one that is
 * installed here. undefined: there is none.
 */
export function citusPrograms(): string | undefined {
  const installed = findBinary('postgres')
  const folder = process.env['TWOTICK_TEST_CITUS'] ?? (installed && dirname(installed))
  if (!folder) return undefined
  const libraries = ['../lib/citus.so', '../lib/postgresql/citus.so']
  return libraries.some((library) => existsSync(join(folder, library))) ? folder : undefined
}

export async function startPrivateCitus(
  programs: string,
  foldersOf: (node: string) => { dataFolder: string; socketFolder: string },
  { fsync = false }: { fsync?: boolean } = {},
): Promise<PrivateCitus> {
  const names = ['coordinator', ...Array.from({ length: WORKERS }, (_, index) => `w${index + 1}`)]
  const started = await Promise.all(
    names.map((name) =>
      startPrivatePostgres({
        ...foldersOf(name),
        programs,
        fsync,
        settings: {
          shared_preload_libraries: 'citus',
          max_prepared_transactions: '200',
          wal_level: 'logical', // shards are moved by it
          'citus.node_conninfo': 'sslmode=disable',
          'citus.shard_count': '8',
        },
      }),
    ),
  )
  const nodes = started as [PrivatePostgres, ...PrivatePostgres[]]
  const [coordinator, ...workers] = nodes.map((node) => node.url)
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())))
  return { nodes, coordinator: coordinator as string, workers, stop }
}

/** Makes a database on all nodes, which know one another. */
export async function createCitusDatabase({ coordinator, workers }: CitusUrls, name: string) {
  await Promise.all(
    [coordinator, ...workers].map(async (server) => {
      await createDatabase(server, name)
      await withClient(withDatabase(server, name), (client) =>
        client.query('create extension citus'),
      )
    }),
  )
  await withClient(withDatabase(coordinator, name), async (client) => {
    const place = (url: string) => [
      new URLSearchParams(url.slice(url.indexOf('?'))).get('host'),
      PORT,
    ]
    await client.query('select citus_set_coordinator_host($1, $2)', place(coordinator))
    for (const worker of workers) await client.query('select citus_add_node($1, $2)', place(worker))
  })
}

export async function dropCitusDatabase({ coordinator, workers }: CitusUrls, name: string) {
  for (const server of [coordinator, ...workers]) await dropDatabase(server, name)
}
