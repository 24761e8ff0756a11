// Small charts as SVG text: areas and lines over the seconds of a run, and bars for what happened
// when. All share one width and one scale of time, so that they can be read one below the other.

import type { Bar } from './timeline.ts'

export const WIDTH = 1_000
const LEFT = 56
const RIGHT = 12

export interface Series {
  /** A class of the style sheet. */
  readonly style: string
  readonly values: readonly (number | undefined)[]
  readonly isArea?: boolean
}

export interface Chart {
  readonly title: string
  readonly unit: string
  readonly height: number
  readonly series: readonly Series[]
  readonly isLogarithmic?: boolean
}

export function xOf(second: number, seconds: number): number {
  return LEFT + (second / Math.max(1, seconds)) * (WIDTH - LEFT - RIGHT)
}

export function drawChart(chart: Chart, seconds: number, shades: readonly Bar[]): string {
  const { title, unit, height, series } = chart
  const scale = scaleOf(chart)
  const y = (value: number) => round(height - 18 - scale.of(value) * (height - 36))
  const grid = scale.marks.map((mark) => {
    const at = y(mark)
    const label = `<text class="mark" x="${LEFT - 6}" y="${at + 3.5}">${short(mark)}</text>`
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>${label}`
  })
  const drawn = series.map((each) => draw(each, { seconds, y, floor: height - 18 }))
  return svg(height, [
    ...shades.map((shade) => drawShade(shade, { seconds, height })),
    ...grid,
    ...drawn,
    `<text class="title" x="${LEFT}" y="11">${title} <tspan class="unit">${unit}</tspan></text>`,
    ...timeMarks(seconds, height),
  ])
}

/** What happened when: each bar in the first row that is free for it. */
export function drawBars(bars: readonly Bar[], seconds: number): string {
  const rows: number[] = []
  const drawn = bars.map(({ name, fromS, toS }) => {
    const x = xOf(fromS, seconds)
    const width = Math.max(3, xOf(toS, seconds) - x)
    const isRight = x + width + name.length * 6 > WIDTH
    const [begins, ends] = isRight
      ? [x - name.length * 6, x + width]
      : [x, x + width + name.length * 6]
    const free = rows.findIndex((end) => end + 8 < begins)
    const row = free === -1 ? rows.length : free
    rows[row] = ends
    const y = 4 + row * 17
    const text = isRight
      ? `<text class="bar" text-anchor="end" x="${round(x - 4)}" y="${y + 10}">${name}</text>`
      : `<text class="bar" x="${round(x + width + 4)}" y="${y + 10}">${name}</text>`
    return `<rect class="fault" x="${round(x)}" y="${y}" width="${round(width)}" height="12" rx="2"/>${text}`
  })
  return svg(Math.max(1, rows.length) * 17 + 4, drawn)
}

function svg(height: number, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img">${parts.join('')}</svg>`
}

function drawShade({ fromS, toS }: Bar, { seconds, height }: { seconds: number; height: number }) {
  const x = xOf(fromS, seconds)
  const width = Math.max(1, xOf(toS, seconds) - x)
  const box = `x="${round(x)}" y="18" width="${round(width)}" height="${height - 36}"`
  return `<rect class="shade" ${box}/>`
}

interface Drawing {
  readonly seconds: number
  readonly y: (value: number) => number
  readonly floor: number
}

function draw({ style, values, isArea }: Series, { seconds, y, floor }: Drawing): string {
  const runs: string[][] = [[]]
  values.forEach((value, second) => {
    if (value === undefined) runs.push([])
    else runs.at(-1)?.push(`${round(xOf(second + 0.5, seconds))} ${y(value)}`)
  })
  const paths = runs.filter((run) => run.length > 0)
  if (!isArea) return paths.map((run) => `<path class="${style}" d="M${run.join('L')}"/>`).join('')
  return paths
    .map((run) => {
      const [first = '', last = ''] = [run[0], run.at(-1)].map((point) => point?.split(' ')[0])
      return `<path class="${style} area" d="M${first} ${floor}L${run.join('L')}L${last} ${floor}Z"/>`
    })
    .join('')
}

function scaleOf({ series, isLogarithmic }: Chart) {
  const all = series.flatMap(({ values }) => values.filter((value) => value !== undefined))
  const highest = Math.max(1, ...all)
  if (isLogarithmic) {
    const decades = Math.max(1, Math.ceil(Math.log10(highest)))
    const marks = Array.from({ length: decades + 1 }, (_, exponent) => 10 ** exponent)
    return { marks, of: (value: number) => Math.log10(Math.max(1, value)) / decades }
  }
  const step = niceStep(highest / 3)
  const top = Math.ceil(highest / step) * step
  const marks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step)
  return { marks, of: (value: number) => value / top }
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)))
  return ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
}

function timeMarks(seconds: number, height: number): string[] {
  const step = seconds > 240 ? 60 : seconds > 90 ? 30 : 10
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => {
    const at = index * step
    const label = `${Math.floor(at / 60)}:${String(at % 60).padStart(2, '0')}`
    return `<text class="time" x="${round(xOf(at, seconds))}" y="${height - 4}">${label}</text>`
  })
}

function short(value: number): string {
  return value >= 1_000 ? `${value / 1_000}k` : String(value)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
