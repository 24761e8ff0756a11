// The result as a page: one HTML file with its plots, nothing loaded from elsewhere.

import { type Run, sum } from './run.ts'
import { ms, whole } from './table.ts'

const WIDTH = 640
const HEIGHT = 150
const COLOURS = [
  '#2f5d8a',
  '#d9822b',
  '#3d8b5f',
  '#8a4f9e',
  '#b8453f',
  '#6b7280',
  '#c9a227',
  '#4aa3a2',
]

/** `median` is the round that is shown of each workload; `all` has every round. */
export function page(median: readonly Run[], all: readonly Run[], about: string): string {
  const parts = [...new Set(median.flatMap((run) => Object.keys(run.cpu)))]
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>twotick bench</title>
<meta name="viewport" content="width=device-width">
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 54rem; margin: 3rem auto; padding: 0 1rem }
  h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin: 2.5rem 0 .3rem }
  p { color: #52606d; margin: .2rem 0 1rem }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
  th, td { text-align: right; white-space: nowrap; padding: .25rem .5rem; border-bottom: 1px solid #e4e7eb }
  th:first-child, td:first-child { text-align: left } th { font-weight: 600; color: #52606d }
  svg { display: block; width: 100%; height: auto; margin: .5rem 0 } text { font-size: 11px; fill: #52606d }
  .key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; border-radius: 2px }
</style>
<h1>twotick bench</h1><p>${about}</p>
${summary(median)}
<p>${parts.map((part, at) => `<span class="key" style="background:${colour(at)}"></span>${part}`).join('')}</p>
${median.map((run) => section(run, all, parts)).join('\n')}
</html>
`
}

function summary(runs: readonly Run[]): string {
  const rows = runs.map((run) => {
    const { workload, perSecond, unit, firstTick, secondTick, itemsOfBatch, cpu } = run
    const cells = [
      `${whole(perSecond)} ${unit}/s`,
      firstTick ? `${ms(firstTick.p50Ms)} / ${ms(firstTick.p99Ms)}` : '',
      secondTick ? `${ms(secondTick.p50Ms)} / ${ms(secondTick.p99Ms)}` : '',
      itemsOfBatch === undefined ? '' : whole(itemsOfBatch),
      sum(cpu) > 0 ? sum(cpu).toFixed(1) : '',
    ]
    return `<tr><td>${workload}${cells.map((cell) => `<td>${cell}`).join('')}`
  })
  const ticks = ['first tick p50 / p99, ms', 'second tick, ms']
  const head = ['', 'throughput', ...ticks, 'a transaction', 'CPU s / 100,000']
  return `<table><tr>${head.map((cell) => `<th>${cell}`).join('')}${rows.join('')}</table>`
}

function section(run: Run, all: readonly Run[], parts: readonly string[]): string {
  const rounds = all.filter(({ workload }) => workload === run.workload)
  const spread = rounds.map(({ perSecond }) => whole(perSecond)).join(', ')
  return `<h2>${run.workload}</h2><p>${run.unit}/s, round by round: ${spread}</p>
${throughput(run)}
${percentiles(run)}
${cpuBar(run, parts)}`
}

function throughput({ samples, unit }: Run): string {
  if (samples.length < 2) return ''
  const top = Math.max(1, ...samples.map(({ perSecond }) => perSecond)) * 1.1
  const x = (at: number) => (at / (samples.length - 1)) * (WIDTH - 60) + 50
  const y = (value: number) => HEIGHT - 20 - (value / top) * (HEIGHT - 35)
  const line = samples.map(({ perSecond }, at) => `${x(at).toFixed(1)},${y(perSecond).toFixed(1)}`)
  const grid = [0, 0.5, 1].map((share) => {
    const at = y((top / 1.1) * share)
    const rule = `<line x1="50" x2="${WIDTH}" y1="${at}" y2="${at}" stroke="#e4e7eb"/>`
    return `${rule}<text x="44" y="${at + 4}" text-anchor="end">${whole((top / 1.1) * share)}</text>`
  })
  const label = `<text x="50" y="${HEIGHT - 4}">${unit}/s over ${samples.length} s</text>`
  const path = `<polyline points="${line.join(' ')}" fill="none" stroke="${colour(0)}" stroke-width="2"/>`
  return svg(HEIGHT, grid.join('') + path + label)
}

/** Percentiles on a logarithmic scale from 0.1 ms to 10 s. */
function percentiles({ firstTick, secondTick }: Run): string {
  const x = (value: number) => 130 + ((Math.log10(Math.max(0.1, value)) + 1) / 5) * (WIDTH - 150)
  const ticks = [0.1, 1, 10, 100, 1_000, 10_000].map(
    (value) => `<line x1="${x(value)}" x2="${x(value)}" y1="4" y2="62" stroke="#e4e7eb"/>
<text x="${x(value)}" y="76" text-anchor="middle">${value < 1_000 ? `${value} ms` : `${value / 1_000} s`}</text>`,
  )
  const rows = [firstTick, secondTick].flatMap((latency, at) => {
    if (latency === undefined) return []
    const middle = 20 + at * 26
    const points = [latency.p50Ms, latency.p90Ms, latency.p99Ms, latency.p999Ms]
    const ends = `x1="${x(points[0] ?? 0)}" x2="${x(latency.maxMs)}"`
    const dots = points.map(
      (value, dot) =>
        `<circle cx="${x(value)}" cy="${middle}" r="${6 - dot}" fill="${colour(at)}"/>`,
    )
    const name = at === 0 ? 'first tick' : 'second tick'
    return `<text x="0" y="${middle + 4}">${name}</text>
<line ${ends} y1="${middle}" y2="${middle}" stroke="${colour(at)}" stroke-opacity=".4"/>${dots.join('')}`
  })
  if (rows.length === 0) return ''
  const legend = `<text x="0" y="92">p50, p90, p99, p99.9 from large to small; the line ends at the maximum</text>`
  return svg(96, ticks.join('') + rows.join('') + legend)
}

function cpuBar({ cpu }: Run, parts: readonly string[]): string {
  const total = sum(cpu)
  if (total <= 0) return ''
  let at = 0
  const bars = parts.map((part, index) => {
    const width = ((cpu[part] ?? 0) / total) * WIDTH
    const bar = `<rect x="${at}" y="0" width="${width}" height="22" fill="${colour(index)}"><title>${part} ${(cpu[part] ?? 0).toFixed(2)} s</title></rect>`
    at += width
    return bar
  })
  return svg(
    40,
    `${bars.join('')}<text x="0" y="36">${total.toFixed(1)} CPU s / 100,000, by process</text>`,
  )
}

function svg(height: number, inside: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img">${inside}</svg>`
}

function colour(at: number): string {
  return COLOURS[at % COLOURS.length] ?? '#000'
}
