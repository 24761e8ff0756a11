// A device's storage: what is committed survives a crash, what is still to be committed does not.

import type { Change, Records, Row, Storage, Table } from '../../clients/sdk/src/storage.ts'
import type { Lanes } from './lanes.ts'

export interface Disk {
  readonly storage: Storage
  read<T extends Table>(table: T, key: string): Records[T] | undefined
  /** What was on its way to the disk is lost. */
  crash(): void
  /** As it is now; and back to that. */
  copy(): DiskCopy
  restore(copy: DiskCopy): void
}

export type DiskCopy = ReadonlyMap<Table, ReadonlyMap<string, unknown>>

export interface DiskOptions {
  readonly lanes: Lanes
  readonly name: string
  readonly isFine: boolean
  /** Something is durable from now on. */
  readonly committed: (change: Change) => void
}

export function createDisk({ lanes, name, isFine, committed }: DiskOptions): Disk {
  const tables = new Map<Table, Map<string, unknown>>()

  function rowsOf(table: Table): Map<string, unknown> {
    const rows = tables.get(table) ?? new Map<string, unknown>()
    tables.set(table, rows)
    return rows
  }

  function apply(changes: readonly Change[]): void {
    for (const change of changes) {
      const { table, key, value } = change
      if (value === undefined) rowsOf(table).delete(key)
      else rowsOf(table).set(key, value)
      committed(change)
    }
  }

  function read<T extends Table>(table: T, key: string): Records[T] | undefined {
    return rowsOf(table).get(key) as Records[T] | undefined
  }

  const storage: Storage = {
    read: (table, key) => Promise.resolve(read(table, key)),
    list<T extends Table>(table: T, afterKey: string, limit: number) {
      const keys = [...rowsOf(table).keys()].filter((key) => key > afterKey).sort()
      const row = (key: string) => ({ key, value: rowsOf(table).get(key) }) as Row<T>
      return Promise.resolve(keys.slice(0, limit).map(row))
    },
    commit(changes) {
      if (!isFine) {
        apply(changes)
        return Promise.resolve()
      }
      return new Promise((resolve) => {
        lanes.add(`disk ${name}`, () => {
          apply(changes)
          resolve()
        })
      })
    },
  }
  return {
    storage,
    read,
    crash: () => lanes.clear(`disk ${name}`),
    copy: () => new Map([...tables].map(([table, rows]) => [table, new Map(rows)])),
    restore(copy) {
      tables.clear()
      for (const [table, rows] of copy) tables.set(table, new Map(rows))
    },
  }
}
