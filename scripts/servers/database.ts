// A database ready for the services: roles, schemas and migrations. What `npm start` and the tests
// share, on a private Postgres as on a given one.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Logger, migrate } from '@twotick/chassis'
import pg from 'pg'
import { distribute } from './distribute.ts'

const ROOT = join(import.meta.dirname, '../..')
const TIMEOUT_MS = 30_000

export const STORE_ROLE = 'twotick_store'
export const DIRECTORY_ROLE = 'twotick_directory'

/** Who owns which tables. */
export const SCHEMAS = [
  { service: 'envelope-store', schema: 'mailbox' },
  { service: 'metadata-validation', schema: 'directory' },
] as const

export type Schema = (typeof SCHEMAS)[number]['schema']

/** Where the SQL lies. */
export interface SqlFiles {
  readonly roles: string
  /** The folder of a schema's migrations. */
  migrations(schema: Schema): string
}

export interface Preparation {
  readonly files?: SqlFiles
  /** The passwords that the services' roles get; a role without one keeps what it has. */
  readonly passwords?: Readonly<Partial<Record<string, string>>>
  readonly log?: Logger
  /** Spreads the mailboxes over Citus' workers. */
  readonly isDistributed?: boolean
}

/** Runs roles.sql and all migrations; does nothing new on a database that has them. */
export async function prepareDatabase(
  url: string,
  { files = sqlOf(ROOT), passwords = ownersPassword(url), ...preparation }: Preparation = {},
): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(await readFile(files.roles, 'utf8'))
    for (const role of [STORE_ROLE, DIRECTORY_ROLE]) {
      const password = passwords[role]
      if (!password) continue
      await client.query(`alter role ${role} password ${client.escapeLiteral(password)}`)
    }
  })
  const { log, isDistributed = false } = preparation
  for (const { schema } of SCHEMAS) await migrate(url, files.migrations(schema), schema, log)
  if (isDistributed) await distribute(url, log)
}

/**
 * What makes a database that was restored from a backup another one to everybody: its epoch. By the
 * seconds of the clock, so that no two restores of one backup come to the same. To be done before
 * any service is started on it.
 */
export async function raiseEpoch(url: string): Promise<void> {
  await withClient(url, (client) =>
    client.query(`
      update mailbox.epoch_counter
         set counter = greatest(counter + 1, extract(epoch from clock_timestamp())::bigint)`),
  )
}

/** The SQL of a checkout of this repository. */
export function sqlOf(checkout: string): SqlFiles {
  return {
    roles: join(checkout, 'deploy/postgres/roles.sql'),
    migrations(schema) {
      const { service } = SCHEMAS.find(
        (owned) => owned.schema === schema,
      ) as (typeof SCHEMAS)[number]
      return join(checkout, 'services', service, 'migrations')
    },
  }
}

/**
 * A given server may ask for passwords. The services' roles get the given one: these databases are
 * for development and tests, and whoever runs them holds it anyway.
 */
function ownersPassword(url: string) {
  const password = decodeURIComponent(split(url).password)
  return { [STORE_ROLE]: password, [DIRECTORY_ROLE]: password }
}

/** Makes a database, a copy of `template` where one is named. */
export async function createDatabase(server: string, name: string, template?: string) {
  const from = template === undefined ? '' : ` template ${pg.escapeIdentifier(template)}`
  await withClient(server, (client) =>
    client.query(`create database ${pg.escapeIdentifier(name)}${from}`),
  )
}

export async function hasDatabase(server: string, name: string): Promise<boolean> {
  const { rowCount } = await withClient(server, (client) =>
    client.query('select from pg_database where datname = $1::text', [name]),
  )
  return rowCount === 1
}

/** Removes a database, whoever is connected to it. */
export async function dropDatabase(server: string, name: string) {
  await withClient(server, (client) =>
    client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`),
  )
}

/** The URL with another database. */
export function withDatabase(url: string, database: string): string {
  return assemble({ ...split(url), database })
}

/** The URL with another role of the same password. */
export function withRole(url: string, role: string): string {
  return assemble({ ...split(url), role: encodeURIComponent(role) })
}

const URL_PARTS = new RegExp(
  '^(?<scheme>postgres(?:ql)?://)(?:(?<role>[^:@/]*)(?::(?<password>[^@/]*))?@)?' +
    '(?<host>[^/?]*)(?:/(?<database>[^?]*))?(?<query>\\?.*)?$',
)

/** Its parts as they are written. WHATWG URLs refuse a role without a host: a unix socket's URL. */
function split(url: string) {
  const match = URL_PARTS.exec(url)
  if (match?.groups === undefined) throw new Error('not a postgres:// URL')
  const { scheme = '', role = 'postgres', password = '', host = '', ...rest } = match.groups
  const { database = 'postgres', query = '' } = rest
  return { scheme, role, password, host, database, query }
}

function assemble({ scheme, role, password, host, database, query }: ReturnType<typeof split>) {
  const secret = password === '' ? '' : `:${password}`
  return `${scheme}${role}${secret}@${host}/${database}${query}`
}

/** One connection as it is needed once, by whoever prepares a database. */
export async function withClient<T>(
  url: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  })
  client.on('error', () => undefined) // the query in flight fails with it
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}
