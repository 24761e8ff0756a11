// npm run bench: pairs of devices, online, in a closed loop through the gateway; a relay of its own
// with default settings (but for the senders' rates), everything durable.
//
// Prints messages a second, both ticks' latency, and CPU seconds for 100,000 messages by process.

import { fork } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LoadOrder, LoadResult } from './load.ts'
import { startBenchRelay } from './relay.ts'

const HELP = `npm run bench -- [options]

  --pairs <n>         pairs of devices (default 200)
  --outstanding <n>   messages of a sender without second tick (default 8)
  --bytes <n>         payload (default 512)
  --seconds <n>       measured, after 3 s of warm-up (default 10)
  --json              one JSON line instead of a table`

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '200' },
    outstanding: { type: 'string', default: '8' },
    bytes: { type: 'string', default: '512' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(HELP)
else await bench()

async function bench(): Promise<void> {
  const relay = await startBenchRelay()
  const order: LoadOrder = {
    url: relay.url,
    name: 'p',
    pairs: whole(values.pairs),
    outstanding: whole(values.outstanding),
    payloadBytes: whole(values.bytes),
    warmUpMs: 3_000,
    measureMs: whole(values.seconds) * 1_000,
  }
  try {
    let before: Record<string, number> = {}
    const result = await generate(order, () => (before = relay.cpuSeconds()))
    report(result, difference(relay.cpuSeconds(), before))
  } finally {
    await relay.close()
  }
}

function generate(order: LoadOrder, measuring: () => void): Promise<LoadResult> {
  const child = fork(join(import.meta.dirname, 'load.ts'))
  return new Promise((resolve, reject) => {
    child.on('message', (said: { measuring?: true; result?: LoadResult }) => {
      if (said.measuring) measuring()
      if (said.result) resolve(said.result)
    })
    child.on('exit', (code) => reject(new Error(`the load generator ended with ${code}`)))
    child.send(order)
  })
}

function difference(after: Record<string, number>, before: Record<string, number>) {
  return Object.fromEntries(
    Object.entries(after).map(([name, seconds]) => [name, seconds - (before[name] ?? 0)]),
  )
}

function report(result: LoadResult, cpu: Record<string, number>): void {
  const perSecond = (result.delivered / result.measuredMs) * 1_000
  const scale = 100_000 / result.delivered
  const perPart = Object.fromEntries(
    Object.entries(cpu).map(([name, seconds]) => [name, seconds * scale]),
  )
  const server = Object.values(perPart).reduce((sum, seconds) => sum + seconds, 0)
  if (values.json) {
    const { firstTick, secondTick } = result
    console.log(JSON.stringify({ perSecond, firstTick, secondTick, server, perPart }))
    return
  }
  console.log(`messages/s           ${perSecond.toFixed(0)}`)
  for (const [name, latency] of Object.entries({
    first: result.firstTick,
    second: result.secondTick,
  })) {
    const figures = `p50 ${latency.p50Ms.toFixed(1)} ms, p99 ${latency.p99Ms.toFixed(1)} ms`
    console.log(`${`${name} tick`.padEnd(20)} ${figures}`)
  }
  console.log(`\nCPU s per 100,000    ${server.toFixed(1)}  (the load generator's aside)`)
  for (const [name, seconds] of Object.entries(perPart).sort(([, a], [, b]) => b - a)) {
    console.log(`  ${name.padEnd(19)}${seconds.toFixed(2).padStart(6)}`)
  }
}

function whole(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`not a whole number: ${text}`)
  return number
}
