// The secrets of a relay in containers, made at its first start: a folder for each container, that is
// shown to that one alone. What is there already stays, so this may run before every start. They are
// as safe as the volume that they lie in, which is right for one machine; elsewhere an operator's own
// store of secrets brings the same files.

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runOnce, text } from '@twotick/chassis'
import { z } from 'zod'
import { DIRECTORY_ROLE, STORE_ROLE } from '../../scripts/servers/database.ts'

const configSchema = z.object({
  secretsFolder: text('where they are kept, a folder for each container'),
  postgresHost: text('where the services reach Postgres').default('postgres:5432'),
})

const OWNER = 'twotick'
const DATABASE = 'twotick'

await runOnce('secrets', configSchema, async ({ secretsFolder, postgresHost }, log) => {
  const made: string[] = []

  /** What the file holds; the first time, what `make` makes. */
  function once(path: string, make: () => string): string {
    const file = join(secretsFolder, path)
    if (!existsSync(file)) {
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
      // Readable by all: only the container that it is for sees the folder, as a user of its own.
      writeFileSync(file, make(), { flag: 'wx', mode: 0o444 })
      made.push(path)
    }
    return readFileSync(file, 'utf8').trim()
  }
  const random = () => randomBytes(32).toString('hex')
  const postgresUrl = (role: string, password: string) =>
    `postgres://${role}:${password}@${postgresHost}/${DATABASE}`

  const owner = once('postgres/password', random)
  once('migrate/postgres-url', () => postgresUrl(OWNER, owner))
  const store = once('migrate/store-password', random)
  once('envelope-store/postgres-url', () => postgresUrl(STORE_ROLE, store))
  const directory = once('migrate/directory-password', random)
  once('metadata-validation/postgres-url', () => postgresUrl(DIRECTORY_ROLE, directory))

  once('envelope-store/seal-keys', () => `1 ${randomBytes(32).toString('base64')} once\n`)
  once('metadata-validation/registration-token', random)
  // Where Redis asks for them: deploy/compose.mtls.yml. The default user does nothing.
  once('redis/default-password', random)
  for (const service of ['gateway', 'delivery-fanout']) {
    const password = once(`redis/${service}-password`, random)
    once(`${service}/redis-url`, () => `rediss://${service}:${password}@redis:6379`)
  }
  const identity = once('gateway/service-secret', random)
  for (const service of ['envelope-store', 'metadata-validation', 'expiry']) {
    once(`${service}/service-secret`, () => identity)
  }
  log.info({ made }, made.length === 0 ? 'all secrets are there' : 'secrets are made')
})
