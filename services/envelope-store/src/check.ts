// `node src/check.ts`: the admin check, as the store's role. Exit code 0: nothing is there that
// nobody waits for; 1: something is, and it is printed.

import { connectPostgres, postgresFields, readConfig } from '@twotick/chassis'
import { z } from 'zod'
import { findOrphans } from './orphans.ts'

const CHECK_MS_MAX = 600_000

const config = readConfig(z.object({ postgres: postgresFields() }))
const db = await connectPostgres({
  ...config.postgres,
  statementTimeoutMs: CHECK_MS_MAX,
  queryTimeoutMs: CHECK_MS_MAX,
})
const orphans = await findOrphans(db)
await db.end()
process.stdout.write(`${JSON.stringify(orphans)}\n`)
process.exitCode = Object.values(orphans).every((count) => count === 0) ? 0 : 1
