// @twotick/sdk/node: the storage in a file, through node:sqlite. One table of all records; values in
// the structured clone format of V8, which newer versions go on reading.

import { DatabaseSync } from 'node:sqlite'
import { deserialize, serialize } from 'node:v8'
import type { Change, Records, Row, Storage, Table } from './storage.ts'

export interface FileStorage extends Storage {
  /** Closes the file; for when the device of this storage is closed. */
  close(): void
}

// FULL: a commit is on the disk before an ack or an answer relies on it. EXCLUSIVE: a second process
// that opens the same device's file is refused, instead of the device forking.
const SET_UP = `
  pragma locking_mode = exclusive;
  pragma journal_mode = wal;
  pragma synchronous = full;
  pragma busy_timeout = 0;
  create table if not exists record (
    kind text not null,
    key text not null,
    value blob not null,
    primary key (kind, key)
  ) strict, without rowid;
`

/** Opens the file, or creates it (readable by its owner alone). Throws if it is in use. */
export function fileStorage(path: string): FileStorage {
  const database = openFile(path)
  const read = database.prepare('select value from record where kind = ? and key = ?')
  const list = database.prepare(
    'select key, value from record where kind = ? and key > ? order by key limit ?',
  )
  const put = database.prepare(
    `insert into record (kind, key, value) values (?, ?, ?)
     on conflict (kind, key) do update set value = excluded.value`,
  )
  const remove = database.prepare('delete from record where kind = ? and key = ?')

  function write({ table, key, value }: Change): void {
    if (value === undefined) remove.run(table, key)
    else put.run(table, key, serialize(value))
  }

  return {
    read<T extends Table>(table: T, key: string) {
      const row = read.get(table, key)
      return Promise.resolve(row && fromColumn<T>(row['value']))
    },
    list<T extends Table>(table: T, afterKey: string, limit: number) {
      const rows = list.all(table, afterKey, limit)
      const toRow = (row: (typeof rows)[number]): Row<T> => {
        return { key: String(row['key']), value: fromColumn<T>(row['value']) }
      }
      return Promise.resolve(rows.map(toRow))
    },
    async commit(changes) {
      database.exec('begin immediate')
      try {
        changes.forEach(write)
        database.exec('commit')
      } catch (error) {
        if (database.isTransaction) database.exec('rollback')
        throw error
      }
    },
    close: () => database.close(),
  }
}

function openFile(path: string): DatabaseSync {
  const before = process.umask(0o077)
  try {
    const database = new DatabaseSync(path)
    database.exec(SET_UP)
    // Takes the lock now, and not at the first message.
    database.exec('begin immediate; commit')
    return database
  } finally {
    process.umask(before)
  }
}

function fromColumn<T extends Table>(value: unknown): Records[T] {
  return deserialize(value as Uint8Array) as Records[T]
}
