// Somebody holds a transaction open: a dump, a forgotten console. What it could still see is not
// vacuumed, so deleted entries and old versions of busy rows pile up until it ends.

import pg from 'pg'
import { withDatabase } from '../../../scripts/servers/database.ts'
import { waitFor } from '../../wait.ts'
import type { Fault, Heal } from '../fault.ts'
import { DATABASE, type Stack } from '../stack.ts'

export const heldTransaction: Fault = {
  name: 'hold a transaction',
  target: 'transaction',
  lastsMs: [5_000, 20_000],
  inject: holdTransaction,
}

/** Holds a snapshot from now on, or from when Postgres is there: another fault may have it just now. */
export function holdTransaction({ postgres }: Pick<Stack, 'postgres'>): Promise<Heal> {
  const url = withDatabase(postgres.url, DATABASE)
  return waitFor(() => holdAt(url), { what: 'Postgres', deadlineMs: 60_000 })
}

async function holdAt(url: string): Promise<Heal> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined) // Postgres was killed, and the transaction with it
  try {
    await client.connect()
    await client.query('begin isolation level repeatable read')
    await client.query('select count(*) from mailbox.mailbox')
  } catch (error) {
    await client.end().catch(() => undefined)
    throw error
  }
  return () => client.end()
}
