// Asking for second ticks that may have been lost on the way: once the own mailbox is drained, 10 s
// later, every 60 s what is younger than an hour, every 10 min the rest, and whenever the gateway says
// Resync. At most 256 items a query, one recipient each; at most 4 queries without an answer.

import type { StatusQuery } from '@twotick/protocol'
import type { Pair } from './ticks.ts'

const ITEMS_MAX = 256
const QUERIES_MAX = 4
const HOUR_MS = 3_600_000

/** When to ask. Tests shorten it. */
export interface AskSchedule {
  readonly firstMs: number
  readonly everyMs: number
  readonly oldEvery: number // of those rounds, each so many-th asks for everything
}

export const ASK_SCHEDULE: AskSchedule = { firstMs: 10_000, everyMs: 60_000, oldEvery: 10 }

interface AskerOptions {
  readonly schedule: AskSchedule
  readonly pairs: () => Iterable<Pair>
  readonly send: (query: StatusQuery) => void
  readonly now: () => number
}

export type Asker = ReturnType<typeof createAsker>

export function createAsker({ schedule, pairs, send, now }: AskerOptions) {
  const inFlight = new Map<number, StatusQuery>()
  let queued: StatusQuery[] = []
  let lastId = 0
  let isDrained = false
  let drainedAtMs = 0
  let rounds = 0
  let first: ReturnType<typeof setTimeout> | undefined
  let every: ReturnType<typeof setInterval> | undefined

  function flush(): void {
    while (inFlight.size < QUERIES_MAX) {
      const query = queued.shift()
      if (!query) return
      inFlight.set(query.queryId, query)
      send(query)
    }
  }

  function ask(isDue: (pair: Pair) => boolean): void {
    if (!isDrained) return
    const asked = new Set([...inFlight.values(), ...queued].flatMap(keysOf))
    const due = [...pairs()].filter((pair) => isDue(pair) && !asked.has(keyOf(pair)))
    queued.push(...toQueries(due, () => (lastId += 1)))
    flush()
  }

  function round(): void {
    rounds += 1
    const youngSinceMs = now() - HOUR_MS
    const isAll = rounds % schedule.oldEvery === 0 || drainedAtMs > youngSinceMs
    ask(({ attempt }) => isAll || (attempt.storedAtMs ?? 0) > youngSinceMs)
  }

  function disconnected(): void {
    isDrained = false
    inFlight.clear()
    queued = []
    clearTimeout(first)
    clearInterval(every)
  }

  return {
    drained(): void {
      disconnected()
      isDrained = true
      drainedAtMs = now()
      rounds = 0
      ask(() => true)
      first = setTimeout(() => ask(() => true), schedule.firstMs)
      every = setInterval(round, schedule.everyMs)
    },
    resync: () => ask(() => true),
    answered(queryId: number): void {
      inFlight.delete(queryId)
      flush()
    },
    disconnected,
  }
}

function keyOf({ attempt, accountId }: Pair): string {
  return `${accountId} ${attempt.no}`
}

function keysOf({ recipientAccountId, items }: StatusQuery): string[] {
  return items.map(({ no }) => `${recipientAccountId} ${no}`)
}

/** Groups what is to be asked by recipient, into queries that are small enough. */
export function toQueries(due: readonly Pair[], nextId: () => number): StatusQuery[] {
  const byRecipient = Map.groupBy(due, ({ accountId }) => accountId)
  return [...byRecipient].flatMap(([recipientAccountId, pairs]) => {
    const items = pairs.map(({ attempt: { no, tag } }) => ({ no, tag }))
    const starts = items.flatMap((_, index) => (index % ITEMS_MAX === 0 ? [index] : []))
    return starts.map((at) => ({
      queryId: nextId(),
      recipientAccountId,
      items: items.slice(at, at + ITEMS_MAX),
    }))
  })
}
