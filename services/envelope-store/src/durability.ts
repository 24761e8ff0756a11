// A first tick says that a message is kept. With one Postgres alone that holds against every crash, but
// not against the loss of its disk: so the store wants a synchronous standby, or to be told that there
// is none. It looks when it starts; a standby that is lost later makes commits wait, and that is seen.

import type { Logger } from '@twotick/chassis'
import type pg from 'pg'

export type Durability = 'replicated' | 'single'

const CONFIRMING = ['on', 'remote_apply']

/** Throws, with what to do, if Postgres keeps less than it is meant to. */
export async function checkDurability(db: pg.Pool, durability: Durability, log: Logger) {
  const {
    rows: [settings],
  } = await db.query<{ standbys: string; commit: string; fsync: string }>(
    `select current_setting('synchronous_standby_names') as standbys,
            current_setting('synchronous_commit') as commit,
            current_setting('fsync') as fsync`,
  )
  const { standbys = '', commit = '', fsync = '' } = settings ?? {}
  if (durability === 'replicated' && (standbys.trim() === '' || !CONFIRMING.includes(commit))) {
    throw new Error(
      `Postgres has no synchronous standby (synchronous_standby_names = '${standbys}', ` +
        `synchronous_commit = ${commit}): with its disk, messages would be lost that have their ` +
        'first tick. Give it one, or say TWOTICK_DURABILITY=single (docs/operations.md).',
    )
  }
  if (fsync === 'off') log.warn('Postgres runs with fsync off: a power cut loses messages')
  log.info({ durability }, 'first ticks are kept')
}
