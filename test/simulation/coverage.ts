// What histories have gone through: how often each thing happened. A simulation that is faster because
// less happens in it would show it here.

export type Coverage = Map<string, number>

/** Commands of which what came of them is counted. */
export const EFFECTS: ReadonlySet<string> = new Set(
  'flow arrive link unlink evict delete restore'.split(' '),
)

export function count(coverage: Coverage, what: string, times = 1): void {
  coverage.set(what, (coverage.get(what) ?? 0) + times)
}

export function add(sum: Coverage, more: Iterable<readonly [string, number]>): void {
  for (const [what, times] of more) count(sum, what, times)
}

/** What there is of each in a history, on average: the most frequent first. */
export function averageOf(coverage: Coverage, histories: number): string {
  const most = [...coverage].sort(([, a], [, b]) => b - a)
  const each = most.map(([what, times]) => `${what} ${(times / histories).toFixed(3)}`)
  return `of each in a history: ${each.join(', ')}`
}
