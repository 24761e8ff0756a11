// The report of one run as one self-contained page: the verdict, the run as charts over one axis of
// time, what each fault cost, and what was found.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FINDING_KINDS, type FindingKind } from '../../ledger/finding.ts'
import type { Recovery } from '../../ledger/recovery.ts'
import type { Verdict } from '../../ledger/verdict.ts'
import { drawBars, drawChart } from './chart.ts'
import type { Timeline } from './timeline.ts'

const FINDINGS_MAX = 200

export interface ReportOptions {
  readonly seed: number
  readonly minutes: number
  readonly replicas: number
  readonly commit: string
  readonly replay: string
}

export function toHtml(verdict: Verdict, timeline: Timeline, options: ReportOptions): string {
  const { isGreen } = verdict
  const style = readFileSync(join(import.meta.dirname, 'report.css'), 'utf8')
  const { seed, minutes, replicas, commit, replay } = options
  const [word, mark] = isGreen ? ['The promise held', '✓'] : ['The promise was broken', '✗']
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>twotick chaos, seed ${seed}: ${isGreen ? 'green' : 'red'}</title>
<style>${style}</style>
<main>
<header class="${isGreen ? 'green' : 'red'}">
  <h1><span>${mark}</span> ${word}</h1>
  <p>Seed ${seed}, ${minutes} min of traffic, ${replicas} replicas of each service, commit ${escape(commit)}.
  Once more: <code>${escape(replay)}</code></p>
</header>
${figures(verdict)}
${checks(verdict)}
<h2>The run</h2>
${charts(timeline)}
<h2>What each fault cost</h2>
${recoveryTable(verdict.recoveries)}
${howEnded(timeline)}
${howRejected(verdict)}
${findingList(verdict)}
</main>
</html>
`
}

function figures({ counts }: Verdict): string {
  const shown = {
    attempted: counts.attempted,
    'first ticks': counts.ticked,
    'second ticks': counts.delivered,
    rejected: counts.rejected,
    'unknown, came out': counts.recovered,
    'unknown, did not': counts.unknown,
    devices: counts.devices,
  }
  const cards = Object.entries(shown).map(
    ([name, value]) => `<div><b>${value.toLocaleString('en')}</b>${name}</div>`,
  )
  return `<section class="figures">${cards.join('')}</section>`
}

function checks({ counts }: Verdict): string {
  const rows = Object.entries(FINDING_KINDS).map(([kind, what]) => {
    const count = counts[kind as FindingKind]
    const name = kind.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    return `<tr class="${count === 0 ? 'ok' : 'bad'}"><td>${count}</td><th>${name}</th><td>${what}</td></tr>`
  })
  return `<table class="checks">${rows.join('')}</table>`
}

function charts({ seconds, phases, faults }: Timeline): string {
  const length = seconds.length
  const of = <K extends keyof (typeof seconds)[number]>(name: K) =>
    seconds.map((each) => each[name])
  const drawn = [
    {
      ...{ title: 'Throughput', unit: 'messages a second, first and second ticks', height: 150 },
      series: [
        { style: 'ticked', values: of('ticked'), isArea: true },
        { style: 'delivered', values: of('delivered') },
      ],
    },
    {
      ...{ title: 'First tick', unit: 'ms, median and p99', height: 150, isLogarithmic: true },
      series: [
        { style: 'p99', values: of('p99Ms') },
        { style: 'p50', values: of('p50Ms') },
      ],
    },
    {
      ...{ title: 'Backlog', unit: 'messages without a first tick', height: 110 },
      series: [{ style: 'backlog', values: of('backlog'), isArea: true }],
    },
    {
      ...{ title: 'Sessions', unit: 'opened a second, and sent away by gateways', height: 110 },
      series: [
        { style: 'ticked', values: of('opened'), isArea: true },
        { style: 'delivered', values: of('sentAway') },
      ],
    },
  ].map((chart) => drawChart(chart, length, faults))
  const names = phases.map(({ name, fromS, toS }) => {
    return `<span style="flex:${Math.max(0.01, toS - fromS)}">${name}</span>`
  })
  return `<section class="charts"><div class="phases">${names.join('')}</div>
${drawBars(faults, length)}
${drawn.join('\n')}</section>`
}

function recoveryTable(recoveries: readonly Recovery[]): string {
  if (recoveries.length === 0) return '<p>There was none.</p>'
  const began = recoveries[0]?.at ?? 0
  const seconds = (ms: number) => (ms === 0 ? '·' : (ms / 1_000).toFixed(1))
  const rows = recoveries.map((each) => {
    const cells = [
      ((each.at - began) / 1_000).toFixed(0),
      ((each.healedAt - each.at) / 1_000).toFixed(1),
      ...[each.receivedMs, each.tickedMs, each.sendWaitMs, each.welcomeWaitMs].map(seconds),
    ]
    return `<tr><th>${escape(each.name)}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
  })
  return `<p>Seconds. What was sent before a fault had healed may have been held up by a later one, too.</p>
<table class="faults"><thead><tr><th>fault</th><th>at</th><th>lasted</th><th>heal to all received</th>
<th>heal to all second ticks</th><th>longest wait for an answer</th><th>for a Welcome</th></tr></thead>
<tbody>${rows.join('')}</tbody></table>`
}

function howEnded({ ends, reconnects }: Timeline): string {
  const { opened, openedPeak, sentAway, sentAwayPeak } = reconnects
  const paced =
    `<p>While faults were injected ${opened} sessions were opened, at most ${openedPeak} in a second; ` +
    `gateways that drained sent ${sentAway} away, at most ${sentAwayPeak} in a second.</p>`
  return `${counted('Connections ended by', ends)}${paced}`
}

function howRejected({ rejections }: Verdict): string {
  return counted('Sends rejected', Object.entries(rejections))
}

function counted(what: string, counts: readonly (readonly [string, number])[]): string {
  const each = counts.map(([name, count]) => `${escape(name)} ${count.toLocaleString('en')}`)
  return each.length === 0 ? '' : `<p>${what}: ${each.join(', ')}.</p>`
}

function findingList({ findings }: Verdict): string {
  if (findings.length === 0) return ''
  const rows = findings.slice(0, FINDINGS_MAX).map(({ kind, message = '', device = '', what }) => {
    const cells = [kind, message, device, what].map((cell) => `<td>${escape(cell)}</td>`)
    return `<tr>${cells.join('')}</tr>`
  })
  const more = findings.length - rows.length
  return `<h2>What was found</h2><table class="findings"><thead><tr><th>what</th><th>message</th>
<th>device</th><th></th></tr></thead><tbody>${rows.join('')}</tbody></table>
${more > 0 ? `<p>… and ${more} more.</p>` : ''}`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
