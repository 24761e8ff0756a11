// Brings the database up to date: roles, schemas, migrations, as its owner. Does nothing new on one
// that is. `npm run migrate` in a checkout; in the images, what runs once before the services do.
// With `--citus` it spreads the mailboxes over Citus' workers too.
// With `--restored` it then raises the epoch: to be run on a database that came from a backup.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { connectPostgres, runOnce, secret } from '@twotick/chassis'
import { z } from 'zod'
import {
  DIRECTORY_ROLE,
  prepareDatabase,
  raiseEpoch,
  type SqlFiles,
  STORE_ROLE,
} from '../../scripts/servers/database.ts'

const configSchema = z.object({
  postgres: z.object({ url: secret('Postgres, as the owner of the database') }),
  storePassword: secret(`what ${STORE_ROLE} is to show; unset: what it has stays`).optional(),
  directoryPassword: secret(`what ${DIRECTORY_ROLE} is to show; likewise`).optional(),
})

/** As `npm run build` lays them beside the bundle. */
const IMAGE: SqlFiles = {
  roles: join(import.meta.dirname, 'roles.sql'),
  migrations: (schema) => join(import.meta.dirname, schema),
}

await runOnce('migrate', configSchema, async ({ postgres, ...given }, log) => {
  const { url } = postgres
  // Waits where Postgres is only just starting.
  await (await connectPostgres({ url, poolMax: 1 }, { log })).end()
  const passwords = {
    ...(given.storePassword && { [STORE_ROLE]: given.storePassword }),
    ...(given.directoryPassword && { [DIRECTORY_ROLE]: given.directoryPassword }),
  }
  await prepareDatabase(url, {
    ...(existsSync(IMAGE.roles) && { files: IMAGE }),
    passwords,
    log,
    isDistributed: process.argv.includes('--citus'),
  })
  log.info('the database is up to date')
  if (!process.argv.includes('--restored')) return
  await raiseEpoch(url)
  log.info('the epoch is raised: devices will send again what the backup does not have')
})
