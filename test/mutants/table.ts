// What became of the mutants, as a table.

import type { Mutant } from './mutant.ts'
import type { Verdict } from './run.ts'

type Verdicts = ReadonlyMap<string, Verdict>

export function survivorsOf(mutants: readonly Mutant[], verdicts: Verdicts): Mutant[] {
  return mutants.filter(({ name }) => verdicts.get(name)?.is === 'survived')
}

export function tableOf(mutants: readonly Mutant[], verdicts: Verdicts, tookS: number): string {
  const rows = mutants.map(({ name, breaks }) => [name, ...cellsOf(verdicts.get(name), breaks)])
  const count = (is: Verdict['is']) =>
    mutants.filter(({ name }) => verdicts.get(name)?.is === is).length
  const skipped = count('skipped') > 0 ? `, ${count('skipped')} skipped` : ''
  return [
    '',
    ...aligned([['mutant', 'red by', 'after', 'what is seen'], ...rows]),
    '',
    `${count('red')} of ${mutants.length} mutants are red${skipped}, in ${tookS.toFixed(0)} s`,
    ...survivorsOf(mutants, verdicts).map(({ name, breaks }) => `SURVIVED ${name}: ${breaks}`),
  ].join('\n')
}

function cellsOf(verdict: Verdict | undefined, breaks: string): string[] {
  if (verdict?.is === 'red') return [verdict.by, verdict.took, verdict.what]
  if (verdict?.is === 'survived') return ['NOTHING', verdict.took, breaks]
  return ['skipped', '', verdict?.is === 'skipped' ? verdict.why : '']
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
