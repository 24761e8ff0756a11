// A trace as a tree of lines: when each hop began, how long it took, what it was, and whose.

import colors from 'picocolors'
import { printable } from './text.ts'

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly service: string
  readonly name: string
  readonly startMs: number
  readonly durationMs: number
  /** What went wrong. */
  readonly problem: string | undefined
}

const TIME_WIDTH = 10

interface Row {
  readonly text: string
  readonly span: Span
}

/** Oldest first, each under what led to it. `originMs` is what times count from. */
export function traceTree(spans: readonly Span[], originMs: number): string[] {
  const rows = rootsOf(spans).flatMap((root) => rowsUnder(root, spans, ''))
  const width = Math.max(...rows.map(({ text }) => text.length)) + 3
  return rows.map(({ text, span }) => {
    const at = `+${duration(span.startMs - originMs)}`.padStart(TIME_WIDTH)
    const took = duration(span.durationMs).padStart(TIME_WIDTH)
    const problem =
      span.problem === undefined ? '' : `  ${colors.red(`✗ ${printable(span.problem)}`)}`
    return `${colors.dim(at)}${took}   ${text.padEnd(width)}${colors.dim(printable(span.service))}${problem}`
  })
}

/** The parent of the first one is the client's, which sends no spans. */
function rootsOf(spans: readonly Span[]): Span[] {
  const ids = new Set(spans.map(({ spanId }) => spanId))
  return byStart(spans.filter(({ parentId }) => parentId === undefined || !ids.has(parentId)))
}

function rowsUnder(span: Span, all: readonly Span[], indent: string, branch = ''): Row[] {
  const children = byStart(all.filter(({ parentId }) => parentId === span.spanId))
  const deeper = indent + (branch === '' ? '' : branch === '├─ ' ? '│  ' : '   ')
  const below = children.flatMap((child, index) =>
    rowsUnder(child, all, deeper, index === children.length - 1 ? '└─ ' : '├─ '),
  )
  return [{ text: indent + branch + printable(span.name), span }, ...below]
}

function byStart(spans: readonly Span[]): Span[] {
  return [...spans].sort((a, b) => a.startMs - b.startMs)
}

/** `0.4 ms`, `12 ms`, `3.2 s`, `5 min`, `2.1 h`, `3.0 d`. */
export function duration(ms: number): string {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ] as const
  for (const [unitMs, unit] of units) {
    if (ms >= unitMs) return `${(ms / unitMs).toFixed(1)} ${unit}`
  }
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
}
