// The comparison in words: a table for each workload, our figures first, the others as ratios to them.

import { type Run, sum } from '../run.ts'
import { ms, whole } from '../table.ts'
import type { System } from './servers.ts'

export interface Compared {
  readonly system: System['name']
  readonly run: Run
}

export function describeSystem({ name, durability }: System): string {
  return `  ${name.padEnd(10)} ${durability}`
}

export function tableOf(workload: string, what: string, compared: readonly Compared[]): string {
  const own = compared[0]?.run
  const isIdle = workload === 'idle'
  const head = ['', `${own?.unit ?? ''}/s`, 'x', 'first tick', 'second tick', cost(isIdle), 'x']
  const rows = compared.map(({ system, run }) => [
    system,
    whole(run.perSecond),
    ratio(run.perSecond, own?.perSecond),
    ticks(run.firstTick),
    ticks(run.secondTick),
    costOf(run, isIdle).toFixed(1),
    ratio(costOf(run, isIdle), own && costOf(own, isIdle)),
  ])
  const widths = head.map((cell, at) =>
    Math.max(cell.length, ...rows.map((row) => row[at]?.length ?? 0)),
  )
  const lines = [head, ...rows].map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  '),
  )
  return [`${workload}: ${what}`, ...lines.map((line) => `  ${line}`)].join('\n')
}

function cost(isIdle: boolean): string {
  return isIdle ? 'kB a connection' : 'CPU s / 100,000'
}

function costOf({ cpu, grownKiB, count }: Run, isIdle: boolean): number {
  return isIdle ? sum(grownKiB) / Math.max(1, count) : sum(cpu)
}

function ticks(found: Run['firstTick']): string {
  return found === undefined ? '' : `${ms(found.p50Ms)} / ${ms(found.p99Ms)} ms`
}

function ratio(figure: number, own: number | undefined): string {
  return own === undefined || own === 0 ? '' : (figure / own).toFixed(2)
}
