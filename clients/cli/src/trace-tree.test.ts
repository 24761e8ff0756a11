import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { duration, type Span, traceTree } from './trace-tree.ts'

function span(spanId: string, more: Partial<Span> = {}): Span {
  const nothing = { links: [], problem: undefined, parentId: undefined }
  const always = { traceId: 't', spanId, service: 'gateway', name: spanId }
  return { ...nothing, ...always, startMs: 1_000, durationMs: 2, ...more }
}

test('hops stand under what led to them, in the order of their beginning', () => {
  // Goal: the tree is the trace, also where the first parent is the client’s and never comes.
  const spans = [
    span('append', { parentId: 'send', startMs: 1_003, durationMs: 12 }),
    span('transaction', { parentId: 'append', startMs: 1_004, service: 'envelope-store' }),
    span('push', { parentId: 'append', startMs: 1_010 }),
    span('validate', { parentId: 'send', startMs: 1_001, durationMs: 0.5 }),
    span('send', { parentId: 'the client’s' }),
  ]
  const lines = traceTree(spans, 1_000).map((line) => stripVTControlCharacters(line).trimEnd())
  expect(lines).toEqual([
    '   +0.0 ms    2.0 ms   send                gateway',
    '   +1.0 ms    0.5 ms   ├─ validate         gateway',
    '   +3.0 ms     12 ms   └─ append           gateway',
    '   +4.0 ms    2.0 ms      ├─ transaction   envelope-store',
    '    +10 ms    2.0 ms      └─ push          gateway',
  ])
})

test('what failed says why, and nothing of a trace gets at the terminal', () => {
  // Goal: a problem is seen; a name with control characters is shown, not obeyed.
  const [line] = traceTree([span('se\u001b[2Jnd', { problem: 'UNAVAILABLE' })], 1_000)
  expect(line).toContain('✗ UNAVAILABLE')
  expect(line).not.toContain('\u001b[2J')
})

test('a duration has the unit that it is read in', () => {
  // Goal: microseconds and days are both told at a glance.
  const shown = [0.04, 9.94, 12.4, 999, 3_200, 300_000, 7_560_000, 259_200_000].map(duration)
  expect(shown).toEqual([
    '0.0 ms',
    '9.9 ms',
    '12 ms',
    '999 ms',
    '3.2 s',
    '5.0 min',
    '2.1 h',
    '3.0 d',
  ])
})
