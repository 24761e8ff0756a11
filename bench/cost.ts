// npm run bench:cost: where the microseconds of one message go. A workload, the online one by default,
// with a CPU profile of each service; shares of the profile times the CPU that /proc has seen.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readArguments, refuseArguments } from '../scripts/arguments.ts'
import { SERVICES } from '../scripts/services.ts'
import { foldProfile } from './profile.ts'
import { startBenchRelay } from './relay.ts'
import { type Run, run, sum } from './run.ts'
import { type Workload, WORKLOADS } from './workloads.ts'

const { values, positionals } = readArguments('bench:cost', {
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '20' },
    'warm-up': { type: 'string', default: '20' },
    places: { type: 'string', default: '12' },
  },
})

const [name = 'online', ...others] = positionals
const workload = WORKLOADS[name]
if (workload === undefined || others.length > 0) {
  refuseArguments('bench:cost', `${positionals.join(' ')}: expected one workload`)
}

const folder = mkdtempSync(join(tmpdir(), 'twotick-profile-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
await cost(workload)

async function cost(workload: Workload): Promise<void> {
  const relay = await startBenchRelay({ profileFolder: folder })
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort())
  const window = { from: 0, to: 0 }
  let found: Run
  try {
    found = await run({
      name,
      round: 1,
      order: {
        target: { url: relay.url, token: '' },
        workload,
        name: 'c',
        warmUpMs: Number(values['warm-up']) * 1_000,
        measureMs: Number(values.seconds) * 1_000,
      },
      usage: relay.usage,
      signal: interrupted.signal,
      onProgress: () => undefined,
      onMeasuring: () => (window.from = nowUs()),
      onMeasured: () => (window.to = nowUs()),
    })
  } finally {
    // A service writes its profile when it ends.
    await relay.close()
  }
  report(found, window, workload.unit)
}

function report(found: Run, window: { from: number; to: number }, unit: string): void {
  // CPU seconds for 100,000 are tens of microseconds for one.
  const microseconds = (seconds: number) => (seconds * 10).toFixed(1).padStart(6)
  if (found.ended.length > 0) console.error(`the relay has ended ${found.ended.length} sessions`)
  console.log(
    `one of the ${unit}: ${microseconds(sum(found.cpu)).trim()} µs (profiled: a few more than else)`,
  )
  for (const [part, seconds] of Object.entries(found.cpu).sort(([, a], [, b]) => b - a)) {
    console.log(`\n${microseconds(seconds)}  ${part}`)
    if (!SERVICES.some((service) => service === part) || seconds < 0.1) continue
    const places = foldProfile(join(folder, `${part}.cpuprofile`), window)
    for (const { place, share } of places.slice(0, Number(values.places))) {
      console.log(`  ${microseconds(seconds * share)}  ${place}`)
    }
  }
}

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}
