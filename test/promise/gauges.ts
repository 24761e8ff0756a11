// What must not grow: of each service's process its live memory and open files, of Postgres its
// connections and its size. Read from outside, where the kernel, Postgres and V8 say it.

import { readdirSync, readFileSync } from 'node:fs'
import type { Stack } from '../chaos/stack.ts'
import { liveMemory } from './live-memory.ts'

const PAGE_KIB = 4
const MIB = 1_048_576
const RESIDENT = 'resident, MiB'
/** What a container of docker-compose.yml may have. */
const RESIDENT_MAX = 512
const SIZES_SQL = `
  select (select count(*) from pg_stat_activity where usename like 'twotick%')::int as connections,
         pg_total_relation_size('mailbox.entry')::bigint as entry,
         pg_total_relation_size('mailbox.mailbox')::bigint as mailbox`

/** A figure by its name, `gateway 1: memory, MiB`. */
export type Sample = ReadonlyMap<string, number>

export async function sample({ replicas, sql }: Stack): Promise<Sample> {
  const figures = new Map<string, number>()
  for (const { name, process, logFile } of replicas) {
    const pid = process.pid()
    if (pid === undefined) continue
    const [, resident = '0'] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')
    figures.set(`${name}: live memory, MiB`, (await liveMemory(logFile)) / MIB)
    figures.set(`${name}: ${RESIDENT}`, (Number(resident) * PAGE_KIB) / 1_024)
    figures.set(`${name}: open files`, readdirSync(`/proc/${pid}/fd`).length)
  }
  const [sizes] = await sql(SIZES_SQL)
  figures.set('Postgres: connections', Number(sizes?.['connections']))
  figures.set('Postgres: entries, MiB', Number(sizes?.['entry']) / MIB)
  figures.set('Postgres: mailboxes, MiB', Number(sizes?.['mailbox']) / MIB)
  return figures
}

export interface Trend {
  readonly name: string
  /** Medians of the first and of the last third. */
  readonly first: number
  readonly last: number
  readonly isFlat: boolean
}

const GROWS_MAX = 1.1
/** Less is noise: a few files, a page more. */
const GROWS_BY_MAX = 4

/**
 * Each figure's first third against its last; what falls is flat. What a process has resident comes
 * and goes as its heap does, and must only stay in its bounds.
 */
export function trendsOf(samples: readonly Sample[]): Trend[] {
  const third = Math.max(1, Math.floor(samples.length / 3))
  const names = [...(samples[0]?.keys() ?? [])]
  return names.map((name) => {
    const of = (those: readonly Sample[]) => median(those.map((each) => each.get(name) ?? 0))
    const [first, last] = [of(samples.slice(0, third)), of(samples.slice(-third))]
    const most = name.endsWith(RESIDENT)
      ? RESIDENT_MAX
      : Math.max(first * GROWS_MAX, first + GROWS_BY_MAX)
    return { name, first, last, isFlat: last <= most }
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
