// services/<name>/schema.sql: what the migrations add up to, so that a reader need not add them up.
// Made by `npm run schema`, from a database that was just migrated.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { requireBinary } from './servers/binaries.ts'
import { prepareDatabase, SCHEMAS } from './servers/database.ts'
import { startPrivatePostgres } from './servers/postgres.ts'

const ROOT = join(import.meta.dirname, '..')

/** The dumps that are not what the migrations make, and what to do; empty if all are. */
export async function schemaDifferences(): Promise<string> {
  const different: string[] = []
  for (const { path, text } of await schemaDumps()) {
    const committed = existsSync(path) ? await readFile(path, 'utf8') : ''
    if (committed !== text) different.push(relative(ROOT, path))
  }
  if (different.length === 0) return ''
  return `${different.join('\n')}\nnot what the migrations make: npm run schema`
}

/** Writes all dumps. */
export async function writeSchemas(): Promise<void> {
  for (const { path, text } of await schemaDumps()) await writeFile(path, text)
}

async function schemaDumps(): Promise<{ path: string; text: string }[]> {
  const folder = await mkdtemp(join(tmpdir(), 'twotick-schema-'))
  chmodSync(folder, 0o711)
  const server = await startPrivatePostgres({
    dataFolder: join(folder, 'data'),
    socketFolder: join(folder, 'socket'),
    fsync: false,
  })
  try {
    await prepareDatabase(server.url)
    return await Promise.all(
      SCHEMAS.map(async ({ service, schema }) => ({
        path: join(ROOT, 'services', service, 'schema.sql'),
        text: await dump(server.url, schema),
      })),
    )
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function dump(url: string, schema: string): Promise<string> {
  const args = [`--dbname=${url}`, '--schema-only', '--no-owner', `--schema=${schema}`]
  const { stdout } = await promisify(execFile)(requireBinary('pg_dump'), args)
  return withoutPreamble(stdout)
}

/** Without comments, settings and versions: what differs between releases of pg_dump. */
function withoutPreamble(sql: string): string {
  const lines = sql
    .split('\n')
    .filter((line) => !/^(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict)/.test(line))
  const header = '-- What the migrations add up to. Made by `npm run schema`; never edited.\n\n'
  return `${header}${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`
}
