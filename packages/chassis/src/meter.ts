// Metrics, cheap enough for the path of every message: to count is an addition to a number, which
// Prometheus' next look reads. A look calls whoever has registered; without a reader (tests, the
// simulation) nobody looks, and nothing is kept but the numbers.
//
// Names are `twotick.<part>.<what>` with the base unit last (`_seconds`, `_bytes`); a counter's name
// ends in `_total` at /metrics. A label has few values, known beforehand: a code, a kind, a state.

import { metrics } from '@opentelemetry/api'
import { RefusalCode } from '@twotick/protocol'

export interface Counter {
  add(count?: number): void
}

export interface CounterBy {
  add(value: string, count?: number): void
}

export interface Histogram {
  record(value: number): void
}

export interface Meter {
  counter(name: string, description: string): Counter
  /** One count for each value of one label. */
  counterBy(name: string, label: string, about: Counted): CounterBy
  /** What is counted elsewhere, and only grows. */
  sum(name: string, description: string, read: () => number): void
  /** `read` is called when Prometheus looks; undefined: there is nothing to say yet. */
  gauge(name: string, description: string, read: () => number | undefined): void
  /** One gauge for each value of one label. */
  gaugeBy(name: string, label: string, about: GaugeBy): void
  /** `bounds` are the upper bounds of its buckets. */
  histogram(name: string, description: string, bounds: readonly number[]): Histogram
}

export interface Counted {
  readonly description: string
  /** Those that are there from the beginning, at 0: Prometheus does not see a first one come. */
  readonly values: Iterable<string>
}

export interface GaugeBy {
  readonly description: string
  read(): Readonly<Record<string, number>>
}

/** Seconds, for what takes a millisecond when all is well, and is given up after some. */
export const LATENCY_SECONDS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30,
] as const

/** How many there are in one batch. */
export const BATCH_COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024] as const

/** The name of each code of a refusal, as a label has it. */
export function refusalNames(): ReadonlyMap<number, string> {
  const refusals = Object.entries(RefusalCode).filter(([, code]) => code !== 0)
  return new Map(refusals.map(([name, code]) => [code, name]))
}

export function openMeter(part: string): Meter {
  const meter = metrics.getMeter(part)
  return {
    counter(name, description) {
      let total = 0
      meter
        .createObservableCounter(name, { description })
        .addCallback((result) => result.observe(total))
      return { add: (count = 1) => void (total += count) }
    },
    counterBy(name, label, { description, values }) {
      const totals = new Map([...values].map((value) => [value, 0]))
      meter.createObservableCounter(name, { description }).addCallback((result) => {
        for (const [value, total] of totals) result.observe(total, { [label]: value })
      })
      return { add: (value, count = 1) => void totals.set(value, (totals.get(value) ?? 0) + count) }
    },
    sum(name, description, read) {
      meter
        .createObservableCounter(name, { description })
        .addCallback((result) => result.observe(read()))
    },
    gauge(name, description, read) {
      meter.createObservableGauge(name, { description }).addCallback((result) => {
        const value = read()
        if (value !== undefined) result.observe(value)
      })
    },
    gaugeBy(name, label, { description, read }) {
      meter.createObservableGauge(name, { description }).addCallback((result) => {
        for (const [value, now] of Object.entries(read())) result.observe(now, { [label]: value })
      })
    },
    histogram(name, description, bounds) {
      const advice = { explicitBucketBoundaries: [...bounds] }
      return meter.createHistogram(name, { description, advice })
    },
  }
}
