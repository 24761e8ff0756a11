// What every process says of itself, under the names that dashboards for Prometheus know.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openMeter } from './meter.ts'

/** The timer that is watched for being late. */
const RESOLUTION_MS = 20

const NANOSECONDS = 1e9
const MICROSECONDS = 1e6

export function measureProcess(): void {
  const meter = openMeter('process')
  const startedAtS = Date.now() / 1_000 - process.uptime()
  meter.gauge('process_start_time_seconds', 'when it started, Unix time', () => startedAtS)
  meter.gauge('process_resident_memory_bytes', 'memory that it has', () =>
    process.memoryUsage.rss(),
  )
  meter.sum('process_cpu_seconds', 'CPU time that it has used', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / MICROSECONDS
  })
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  meter.gaugeBy('nodejs_eventloop_lag_seconds', 'quantile', {
    description: 'how late timers were since the last look',
    read: () => readLag(delay),
  })
}

/** A timer is due after `RESOLUTION_MS`; what is beyond is lag. */
function readLag(delay: ReturnType<typeof monitorEventLoopDelay>): Record<string, number> {
  if (delay.count === 0) return {}
  const late = (ns: number) => Math.max(0, ns / NANOSECONDS - RESOLUTION_MS / 1_000)
  const lag = {
    '0.5': late(delay.percentile(50)),
    '0.99': late(delay.percentile(99)),
    '1': late(delay.max),
  }
  delay.reset()
  return lag
}
