// Somebody holds a transaction open: a dump, a forgotten console. What it could still see is not
// vacuumed, so deleted entries and old versions of busy rows pile up until it ends.

import pg from 'pg'
import { withDatabase } from '../../../scripts/servers/database.ts'
import type { Fault, Heal } from '../fault.ts'
import { DATABASE, type Stack } from '../stack.ts'

export const heldTransaction: Fault = {
  name: 'hold a transaction',
  target: 'transaction',
  lastsMs: [5_000, 20_000],
  inject: holdTransaction,
}

/** Holds a snapshot from now on. */
export async function holdTransaction({ postgres }: Pick<Stack, 'postgres'>): Promise<Heal> {
  const client = new pg.Client({ connectionString: withDatabase(postgres.url, DATABASE) })
  client.on('error', () => undefined) // Postgres was killed, and the transaction with it
  await client.connect()
  await client.query('begin isolation level repeatable read')
  await client.query('select count(*) from mailbox.mailbox')
  return () => client.end()
}
