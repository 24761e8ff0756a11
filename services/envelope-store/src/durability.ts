// A first tick says that a message is kept. With one Postgres alone that holds against every crash, but
// not against the loss of its disk: so the store wants a synchronous standby, or to be told that there
// is none. It looks when it starts; a standby that is lost later makes commits wait, and that is seen.

import type { Logger } from '@twotick/chassis'
import { type Database, withQueries } from './transaction.ts'

export type Durability = 'replicated' | 'single'

const CONFIRMING = ['on', 'remote_apply']

/** Throws, with what to do, if Postgres keeps less than it is meant to. */
export async function checkDurability(db: Database, durability: Durability, log: Logger) {
  for (const { standbys, commit, fsync } of await readSettings(db)) {
    if (durability === 'replicated' && (standbys.trim() === '' || !CONFIRMING.includes(commit))) {
      throw new Error(
        `Postgres has no synchronous standby (synchronous_standby_names = '${standbys}', ` +
          `synchronous_commit = ${commit}): with its disk, messages would be lost that have their ` +
          'first tick. Give it one, or say TWOTICK_DURABILITY=single (docs/operations.md).',
      )
    }
    if (fsync === 'off') log.warn('Postgres runs with fsync off: a power cut loses messages')
    if (commit === 'off') {
      log.warn('Postgres runs with synchronous_commit off: a crash of its loses messages')
    }
  }
  log.info({ durability }, 'first ticks are kept')
}

interface Settings {
  readonly standbys: string
  readonly commit: string
  readonly fsync: string
}

const settingsSql = `
  select json_build_object('standbys', current_setting('synchronous_standby_names'),
                           'commit', current_setting('synchronous_commit'),
                           'fsync', current_setting('fsync'))::text as settings`

/** Of each server that holds a part of the data: on Citus the workers do too. */
async function readSettings(db: Database): Promise<Settings[]> {
  const rows = await withQueries(db, (queries) =>
    queries.rows<{ settings: string }>(
      queries.shards.isDistributed
        ? {
            text: 'select result as settings from run_command_on_all_nodes($1)',
            values: [settingsSql],
          }
        : { text: settingsSql },
    ),
  )
  return rows.map(({ settings }) => JSON.parse(settings) as Settings)
}
