// A database ready for the services: roles, schemas and migrations. What `npm start` and the tests
// share, on a private Postgres as on a given one.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { migrate } from '@twotick/chassis'
import pg from 'pg'

const ROOT = join(import.meta.dirname, '../..')
const TIMEOUT_MS = 30_000

export const STORE_ROLE = 'twotick_store'
export const DIRECTORY_ROLE = 'twotick_directory'

/** Runs roles.sql and all migrations; does nothing new on a database that has them. */
export async function prepareDatabase(url: string): Promise<void> {
  const password = parts(url).password
  await withClient(url, async (client) => {
    await client.query(await readFile(join(ROOT, 'deploy/postgres/roles.sql'), 'utf8'))
    // A given server may ask for passwords. The services' roles get the given one: these databases
    // are for development and tests, and whoever runs them holds it anyway.
    if (password === '') return
    for (const role of [STORE_ROLE, DIRECTORY_ROLE]) {
      await client.query(`alter role ${role} password ${client.escapeLiteral(password)}`)
    }
  })
  for (const [service, schema] of [
    ['envelope-store', 'mailbox'],
    ['metadata-validation', 'directory'],
  ] as const) {
    const folder = join(ROOT, 'services', service, 'migrations')
    if (existsSync(folder)) await migrate(url, folder, schema)
  }
}

/** Makes a database, a copy of `template` where one is named. */
export async function createDatabase(server: string, name: string, template?: string) {
  const from = template === undefined ? '' : ` template ${pg.escapeIdentifier(template)}`
  await withClient(server, (client) =>
    client.query(`create database ${pg.escapeIdentifier(name)}${from}`),
  )
}

/** Removes a database, whoever is connected to it. */
export async function dropDatabase(server: string, name: string) {
  await withClient(server, (client) =>
    client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`),
  )
}

/** The same server's URL for another database, and as another role with the same password. */
export function databaseUrl(server: string, database: string, role?: string): string {
  const { scheme, user, password, host, query } = parts(server)
  const secret = password === '' ? '' : `:${encodeURIComponent(password)}`
  return `${scheme}${role ?? user}${secret}@${host}/${database}${query}`
}

/** WHATWG URLs refuse a user without a host, which is what a unix socket's URL has. */
function parts(url: string) {
  const match =
    /^(?<scheme>postgres(?:ql)?:\/\/)(?:(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@)?(?<host>[^/?]*)(?:\/[^?]*)?(?<query>\?.*)?$/.exec(
      url,
    )
  if (match?.groups === undefined) throw new Error('not a postgres:// URL')
  const { scheme = '', user = 'postgres', password = '', host = '', query = '' } = match.groups
  return { scheme, user, password: decodeURIComponent(password), host, query }
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
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
