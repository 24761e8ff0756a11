// A service does not begin before its schema is what it was written for. Whoever upgrades may start
// the new release first, or at the same time: it waits until somebody has migrated.

import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { postgresFailure } from './failure.ts'
import type { Logger } from './log.ts'
import { MIGRATION_MS_MAX } from './migrate.ts'

const LOOK_MS = 500

// No schema, no table, no right to read it: nothing was migrated, or not far enough.
const NOT_THERE = new Set(['3F000', '42P01', '42501'])

export interface NeededSchema {
  readonly name: string
  /** The number of the newest migration that the service needs. */
  readonly migration: number
}

export interface MigratedOptions {
  readonly log: Logger
  readonly signal: AbortSignal
  /** By default as long as a migration may take. */
  readonly timeoutMs?: number
}

/** Waits until the migration is recorded. Throws what to do if it is not in time. */
export async function untilMigrated(
  pool: pg.Pool,
  needed: NeededSchema,
  { log, signal, timeoutMs = MIGRATION_MS_MAX }: MigratedOptions,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  const lacking = `the database lacks migration ${needed.migration} of schema ${needed.name}: run \`migrate\` of this release`
  let isSaid = false
  for (;;) {
    const found = await look(pool, needed)
    if (found === 'there') return
    if (performance.now() >= deadline) throw new Error(lacking)
    if (found === 'lacking' && !isSaid) log.warn(`${lacking}; waiting for it`)
    isSaid ||= found === 'lacking'
    await wait(Math.min(LOOK_MS, timeoutMs), undefined, { signal })
  }
}

async function look(pool: pg.Pool, { name, migration }: NeededSchema) {
  try {
    const { rowCount } = await pool.query(
      `select from ${pg.escapeIdentifier(name)}.migration where number = $1::int`,
      [migration],
    )
    return rowCount === 1 ? 'there' : 'lacking'
  } catch (error) {
    if (error instanceof pg.DatabaseError && NOT_THERE.has(error.code ?? '')) return 'lacking'
    // Postgres may be started anew, or busy with just that migration.
    if (postgresFailure(error) !== undefined) return 'unknown'
    throw error
  }
}
