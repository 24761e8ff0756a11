// Asking presence within a budget. Redis is a hint: where it is down or slow the answer is
// `undefined`, and every gateway is rung.

import type { Redis } from 'ioredis'
import { readPresence } from '@twotick/presence'
import type { Events } from './events.ts'
import type { Presence } from './route.ts'

export type LookUp = (accountIds: ReadonlySet<string>) => Promise<Presence>

/** Looks up each account once; never rejects, never takes longer than the budget. */
export function createLookUp(redis: Redis, budgetMs: number, events: Events): LookUp {
  // While an answer is late nothing more is asked: a Redis that is stopped, not gone, would
  // otherwise collect commands for as long as it is.
  let reading: Promise<Presence> | undefined

  async function read(accountIds: ReadonlySet<string>): Promise<Presence> {
    try {
      return await readPresence(redis, accountIds)
    } catch (error) {
      events.presenceFailed(error)
      return undefined
    } finally {
      reading = undefined
    }
  }

  return async (accountIds) => {
    if (accountIds.size === 0) return new Map()
    if (reading !== undefined) return undefined
    reading = read(accountIds)
    const presence = await withinBudget(reading, budgetMs)
    if (reading !== undefined) events.presenceFailed(new Error(`no answer in ${budgetMs} ms`))
    return presence
  }
}

async function withinBudget(reading: Promise<Presence>, budgetMs: number): Promise<Presence> {
  // Not a timer with a signal: to abort that costs more than all the rest of a look-up.
  let late: NodeJS.Timeout | undefined
  const budget = new Promise<undefined>((resolve) => {
    late = setTimeout(resolve, budgetMs, undefined)
  })
  const presence = await Promise.race([reading, budget])
  clearTimeout(late)
  return presence
}
