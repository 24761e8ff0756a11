// A database whose newest migration is not there yet.

import pg from 'pg'
import { waitFor } from './wait.ts'

/** Takes the record of the newest migration of a schema away. */
export async function takeNewestMigration(url: string, schema: string) {
  const owner = new pg.Client({ connectionString: url })
  await owner.connect()
  const table = `${pg.escapeIdentifier(schema)}.migration`
  const { rows } = await owner.query<{ number: number; name: string; checksum: string }>(`
    delete from ${table} where number = (select max(number) from ${table})
    returning number, name, checksum`)
  const [newest] = rows
  if (newest === undefined) throw new Error(`nothing was migrated in ${schema}`)
  return {
    number: newest.number,
    /** Resolves once the service with this role has looked for it. */
    missed: (role: string) =>
      waitFor(
        async () => {
          const { rowCount } = await owner.query(
            `select from pg_stat_activity
             where datname = current_database() and usename = $1 and query like $2`,
            [role, `%${schema}%.migration where%`],
          )
          return rowCount === 1
        },
        { what: 'a look for the migration' },
      ),
    async giveBack() {
      await owner.query(`insert into ${table} (number, name, checksum) values ($1, $2, $3)`, [
        newest.number,
        newest.name,
        newest.checksum,
      ])
      await owner.end()
    },
  }
}
