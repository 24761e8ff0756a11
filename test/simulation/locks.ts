// Row locks, as Postgres has them: held until the transaction ends, waited for in order, and a circle
// of waiters is a deadlock, which ends the one that closes it.

import pg from 'pg'

/** Who holds and waits. */
export interface Holder {
  readonly held: Set<string>
  waitsFor: string | undefined
}

export interface Locks {
  /** Locks them one by one; false: it must wait, and is called again by `retry`. Throws: deadlock. */
  take(holder: Holder, keys: readonly string[], retry: () => void): boolean
  /** Ends its transaction: gives back what it holds, and has who waited for it try again. */
  release(holder: Holder): void
}

export function createLocks(deadlocked: () => void): Locks {
  const owners = new Map<string, Holder>()
  const waiting = new Map<string, { holder: Holder; retry: () => void }[]>()

  function isCircle(holder: Holder, key: string): boolean {
    const seen = new Set<Holder>()
    for (let owner = owners.get(key); owner !== undefined && !seen.has(owner);) {
      if (owner === holder) return true
      seen.add(owner)
      owner = owner.waitsFor === undefined ? undefined : owners.get(owner.waitsFor)
    }
    return false
  }

  return {
    take(holder, keys, retry) {
      for (const key of keys) {
        const owner = owners.get(key)
        if (owner === holder) continue
        if (owner === undefined) {
          owners.set(key, holder)
          holder.held.add(key)
          continue
        }
        if (isCircle(holder, key)) {
          deadlocked()
          throw databaseError('deadlock detected', '40P01')
        }
        holder.waitsFor = key
        const others = waiting.get(key) ?? []
        waiting.set(key, others)
        others.push({ holder, retry })
        return false
      }
      holder.waitsFor = undefined
      return true
    },
    release(holder) {
      const { held, waitsFor } = holder
      const left = waitsFor === undefined ? [] : (waiting.get(waitsFor) ?? [])
      if (waitsFor !== undefined) {
        waiting.set(
          waitsFor,
          left.filter((other) => other.holder !== holder),
        )
      }
      for (const key of held) owners.delete(key)
      const woken = [...held].flatMap((key) => waiting.get(key) ?? [])
      for (const key of held) waiting.delete(key)
      held.clear()
      for (const other of woken) other.retry()
    },
  }
}

/** What Postgres says of a statement that failed. */
export function databaseError(message: string, code: string): Error {
  return Object.assign(new pg.DatabaseError(message, message.length, 'error'), { code })
}
