// A verdict as text for a terminal, and as one JSON line to be kept for a commit.

import { spawnSync } from 'node:child_process'
import { type Finding, FINDING_KINDS, type FindingKind } from '../ledger/finding.ts'
import type { Recovery } from '../ledger/recovery.ts'
import type { Verdict } from '../ledger/verdict.ts'
import type { Reconnects, Timeline } from './report/timeline.ts'
import type { RunOptions } from './run.ts'

const FINDINGS_SHOWN = 12

export function printVerdict(
  { isGreen, counts, rejections, findings, recoveries }: Verdict,
  { replay, folder }: { replay: string; folder: string },
): void {
  const whole = (count: number) => count.toLocaleString('en')
  console.log()
  for (const [kind, what] of Object.entries(FINDING_KINDS)) {
    const count = counts[kind as FindingKind]
    console.log(
      `  ${count === 0 ? '✓' : '✗'} ${kind.padEnd(14)}${String(count).padStart(6)}  ${what}`,
    )
  }
  const { attempted, ticked, delivered, rejected, recovered, unknown, devices } = counts
  console.log(
    `
  ${whole(attempted)} attempted, ${whole(ticked)} ticked, ${whole(delivered)} delivered; ` +
      `${rejected} rejected, ${recovered} recovered, ${unknown} unknown; ${devices} devices`,
  )
  const codes = Object.entries(rejections).map(([code, count]) => `${code} ${whole(count)}`)
  if (codes.length > 0) console.log(`  rejected: ${codes.join(', ')}`)
  const latest = (of: (each: Recovery) => number) =>
    (Math.max(0, ...recoveries.map(of)) / 1_000).toFixed(1)
  console.log(
    `  ${recoveries.length} faults; everything received ${latest((each) => each.receivedMs)} s, ` +
      `every second tick ${latest((each) => each.tickedMs)} s after healing at the latest`,
  )
  for (const finding of findings.slice(0, FINDINGS_SHOWN)) console.log(`  ${tell(finding)}`)
  if (findings.length > FINDINGS_SHOWN)
    console.log(`  … and ${findings.length - FINDINGS_SHOWN} more`)
  console.log(`\n  ${isGreen ? 'GREEN' : 'RED'}   ${replay}`)
  if (!isGreen) console.log(`        histories and logs: ${folder}`)
}

function tell({ kind, what, message, device }: Finding): string {
  return `${kind}: ${[message, device && `at ${device}`, what].filter(Boolean).join(', ')}`
}

/** The commit that is checked out; `unknown` where there is no git. */
export function commitHere(): string {
  const { stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' })
  return stdout?.trim() || 'unknown'
}

/** A verdict as it is kept: one line of JSON. */
export type RunLine = Verdict['counts'] & {
  readonly at: string
  readonly commit: string
  readonly seed: number
  readonly minutes: number
  readonly replicas: number
  readonly isGreen: boolean
  readonly rejections: Verdict['rejections']
  /** While faults were injected. */
  readonly reconnects: Reconnects
  readonly faults: readonly FaultLine[]
}

export type FaultLine = Pick<
  Recovery,
  'name' | 'receivedMs' | 'tickedMs' | 'sendWaitMs' | 'welcomeWaitMs'
> & { readonly lastedMs: number }

export function toLine(
  { isGreen, counts, rejections, recoveries }: Verdict,
  { reconnects }: Timeline,
  options: RunOptions,
): RunLine {
  const { seed, minutes, replicas } = options
  const commit = commitHere()
  const at = new Date().toISOString()
  const faults = recoveries.map((each): FaultLine => {
    const { name, receivedMs, tickedMs, sendWaitMs, welcomeWaitMs } = each
    const lastedMs = each.healedAt - each.at
    return { name, lastedMs, receivedMs, tickedMs, sendWaitMs, welcomeWaitMs }
  })
  const run = { at, commit, seed, minutes, replicas }
  return { ...run, isGreen, ...counts, rejections, reconnects, faults }
}
