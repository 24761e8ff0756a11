// Several seeds, one run after another, each in a process of its own, so that none leaves anything to
// the next. Their lines are appended to one file, and make one table.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { faultTable, seedTable } from './report/tables.ts'
import type { RunLine } from './result.ts'

const CHAOS = join(import.meta.dirname, '../../scripts/chaos.ts')

export interface Seeds {
  readonly first: number
  readonly last: number
}

/** `1-20`, or one. Undefined: neither. */
export function parseSeeds(text: string): Seeds | undefined {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? []
  if (first === undefined || Number(last) < Number(first)) return undefined
  return { first: Number(first), last: Number(last) }
}

export interface SeedsPlan {
  readonly seeds: Seeds
  /** The command line of each run, without its seed. */
  readonly args: readonly string[]
  /** Gets a line for each verdict. */
  readonly json: string
  /** Gets the tables of the runs of this time. */
  readonly table: string
}

/** The worst exit code of them all. */
export async function runSeeds({ seeds, args, json, table }: SeedsPlan): Promise<number> {
  const since = new Date().toISOString()
  const { first, last } = seeds
  let worst = 0
  for (let seed = first; seed <= last; seed++) {
    console.log(`\nseed ${seed}, of ${first} to ${last}`)
    const own = ['--seed', String(seed), '--json', json]
    const child = spawn(process.execPath, [CHAOS, ...args, ...own], { stdio: 'inherit' })
    const [code] = (await once(child, 'exit')) as [number | null]
    // Without a verdict by a signal: whoever sent it does not want the others either.
    if (code === null || code > 2) return 2
    worst = Math.max(worst, code)
    writeFileSync(table, tablesOf(readLines(json).filter(({ at }) => at >= since)))
  }
  console.log(`\n${readFileSync(table, 'utf8')}\n  ${json}, ${table}`)
  return worst
}

function tablesOf(lines: readonly RunLine[]): string {
  return `${seedTable(lines)}\n\n${faultTable(lines)}\n`
}

function readLines(file: string): RunLine[] {
  const text = readFileSync(file, { encoding: 'utf8', flag: 'a+' })
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as RunLine]))
}
