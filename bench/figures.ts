// What a load generator counts: messages, and the latency of their ticks in HDR histograms (of
// microseconds, three digits).

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

export interface Latency {
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

export interface Figures {
  /** Counts a message as done; what is done before or after the measured time is not counted. */
  done(count?: number): void
  firstTick(sinceMs: number): void
  secondTick(sinceMs: number): void
  begin(): void
  /** All so far, measured or not: for what is shown while it runs. */
  total(): number
  end(): Measured
}

export interface Measured {
  readonly count: number
  readonly seconds: number
  /** Absent where the workload has no such tick. */
  readonly firstTick?: Latency
  readonly secondTick?: Latency
}

export function createFigures(): Figures {
  const histograms = { firstTick: createHistogram(), secondTick: createHistogram() }
  let isMeasuring = false
  let count = 0
  let total = 0
  let began = 0

  function record(histogram: RecordableHistogram, sinceMs: number) {
    if (!isMeasuring) return
    histogram.record(Math.max(1, Math.round((performance.now() - sinceMs) * 1_000)))
  }

  return {
    done(more = 1) {
      total += more
      if (isMeasuring) count += more
    },
    firstTick: (sinceMs) => record(histograms.firstTick, sinceMs),
    secondTick: (sinceMs) => record(histograms.secondTick, sinceMs),
    begin() {
      isMeasuring = true
      began = performance.now()
    },
    total: () => total,
    end() {
      isMeasuring = false
      const seconds = (performance.now() - began) / 1_000
      const { firstTick, secondTick } = histograms
      return {
        count,
        seconds,
        ...(firstTick.count > 0 && { firstTick: latencyOf(firstTick) }),
        ...(secondTick.count > 0 && { secondTick: latencyOf(secondTick) }),
      }
    },
  }
}

function latencyOf(histogram: RecordableHistogram): Latency {
  const at = (percentile: number) => histogram.percentile(percentile) / 1_000
  return { p50Ms: at(50), p90Ms: at(90), p99Ms: at(99), p999Ms: at(99.9), maxMs: at(100) }
}
