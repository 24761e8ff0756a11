// What is kept of runs, as Markdown tables: a row for each seed, and a row for each fault.

import { FINDING_KINDS, type FindingKind } from '../../ledger/finding.ts'
import type { RunLine } from '../result.ts'

const MUST_BE_0 = Object.keys(FINDING_KINDS) as FindingKind[]

/** Runs of several seeds, and their sum. */
export function seedTable(lines: readonly RunLine[]): string {
  const rows = lines.map((line) => {
    const { seed, faults, attempted, ticked, delivered } = line
    const slowest = Math.max(0, ...faults.slice(-1).map((fault) => fault.tickedMs))
    const counts = [faults.length, attempted, ticked, delivered].map(whole)
    return [String(seed), ...counts, wrong(line), seconds(slowest)]
  })
  const sum = (of: (line: RunLine) => number) =>
    whole(lines.reduce((total, line) => total + of(line), 0))
  const total = [
    '**all**',
    sum(({ faults }) => faults.length),
    sum(({ attempted }) => attempted),
    sum(({ ticked }) => ticked),
    sum(({ delivered }) => delivered),
    lines.every(({ isGreen }) => isGreen) ? '**0 of each**' : '**red**',
    '',
  ]
  const head = ['seed', 'faults', 'attempted', 'first ticks', 'second ticks']
  return table(
    [...head, `${MUST_BE_0.join(', ')}`, 'last heal to every second tick, s'],
    [...rows, total],
  )
}

function wrong(line: RunLine): string {
  const found = MUST_BE_0.filter((kind) => line[kind] > 0)
  return found.length === 0 ? '0 of each' : found.map((kind) => `${line[kind]} ${kind}`).join(', ')
}

/** Each fault with what it cost; where it was injected several times, the worst of them. */
export function faultTable(lines: readonly RunLine[]): string {
  const byName = Map.groupBy(
    lines.flatMap(({ faults }) => faults),
    ({ name }) => name,
  )
  const rows = [...byName].map(([name, each]) => {
    const worst = (of: (fault: (typeof each)[number]) => number) =>
      seconds(Math.max(...each.map(of)))
    return [
      name,
      String(each.length),
      worst(({ lastedMs }) => lastedMs),
      worst(({ receivedMs }) => receivedMs),
      worst(({ tickedMs }) => tickedMs),
      worst(({ sendWaitMs }) => sendWaitMs),
      worst(({ welcomeWaitMs }) => welcomeWaitMs),
    ]
  })
  return table(
    [
      ...['fault', 'times', 'lasted, s', 'heal to everything received, s'],
      'heal to every second tick, s',
      ...['longest wait for an answer, s', 'for a Welcome, s'],
    ],
    rows,
  )
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function whole(count: number): string {
  return count.toLocaleString('en')
}

function seconds(ms: number): string {
  return ms === 0 ? '·' : (ms / 1_000).toFixed(1)
}
