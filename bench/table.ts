// A run in words for the terminal.

import type { Latency } from './figures.ts'
import { type Run, sum } from './run.ts'

export function describe(run: Run, what: string): string {
  const lines = [
    `${run.workload}: ${what}`,
    `  ${`${run.unit}/s`.padEnd(22)}${whole(run.perSecond)}`,
    ...latency('first tick', run.firstTick),
    ...latency('second tick', run.secondTick),
    ...batches(run),
    ...ended(run),
  ]
  if (run.workload === 'idle') lines.push(...memory(run))
  else lines.push(...cpu(run))
  return lines.join('\n')
}

function latency(name: string, found: Latency | undefined): string[] {
  if (found === undefined) return []
  const { p50Ms, p99Ms, p999Ms } = found
  const figures = `p50 ${ms(p50Ms)}   p99 ${ms(p99Ms)}   p99.9 ${ms(p999Ms)} ms`
  return [`  ${name.padEnd(22)}${figures}`]
}

function batches({ itemsOfBatch }: Run): string[] {
  if (itemsOfBatch === undefined) return []
  return [`  ${'a transaction'.padEnd(22)}${whole(itemsOfBatch)} appends and acks`]
}

function ended({ ended }: Run): string[] {
  if (ended.length === 0) return []
  const reasons = [...new Set(ended)].join(', ')
  return [`  ${'sessions ended'.padEnd(22)}${whole(ended.length)} (${reasons}): too few are left`]
}

function cpu({ cpu, unit, generatorCpu }: Run): string[] {
  if (Object.keys(cpu).length === 0) return []
  const parts = Object.entries(cpu)
    .filter(([, seconds]) => seconds >= 0.005)
    .sort(([, a], [, b]) => b - a)
    .map(([part, seconds]) => `    ${part.padEnd(20)}${seconds.toFixed(2).padStart(7)}`)
  const head = `  CPU s / 100,000 ${unit}`
  return [`${head}: ${sum(cpu).toFixed(1)} (the generator: ${generatorCpu.toFixed(1)})`, ...parts]
}

function memory({ grownKiB, count }: Run): string[] {
  if (Object.keys(grownKiB).length === 0) return []
  const each = (kib: number) => (kib / Math.max(1, count)).toFixed(2)
  const parts = Object.entries(grownKiB)
    .filter(([, kib]) => Math.abs(kib) > 256)
    .map(([part, kib]) => `    ${part.padEnd(20)}${each(kib).padStart(7)}`)
  return [`  kB a connection: ${each(sum(grownKiB))}`, ...parts]
}

export function whole(number: number): string {
  return Math.round(number).toLocaleString('en')
}

export function ms(number: number): string {
  return number < 10 ? number.toFixed(1) : whole(number)
}
