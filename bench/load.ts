// The load generator, a process of its own: pairs of devices in a closed loop. Each sender keeps a
// number of messages outstanding until their second tick. Told what to do in one IPC message; answers
// with its figures.

import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks'
import { message, open, register } from './load-device.ts'

export interface LoadOrder {
  readonly url: string
  readonly name: string
  readonly pairs: number
  readonly outstanding: number
  readonly payloadBytes: number
  readonly warmUpMs: number
  readonly measureMs: number
}

export interface LoadResult {
  readonly delivered: number
  readonly measuredMs: number
  readonly firstTick: Latency
  readonly secondTick: Latency
  /** CPU of the generator itself, user and system. */
  readonly cpuSeconds: number
}

export interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
}

interface Figures {
  isMeasuring: boolean
  delivered: number
  readonly firstTick: RecordableHistogram
  readonly secondTick: RecordableHistogram
}

async function run(order: LoadOrder): Promise<LoadResult> {
  const figures: Figures = {
    isMeasuring: false,
    delivered: 0,
    firstTick: createHistogram(),
    secondTick: createHistogram(),
  }
  const starts: (() => void)[] = []
  for (let number = 0; number < order.pairs; number++) {
    starts.push(await openPair(order, `${order.name}${number}`, figures))
  }
  process.send?.({ ready: true })
  for (const start of starts) start()
  await new Promise((resolve) => setTimeout(resolve, order.warmUpMs))
  process.send?.({ measuring: true })
  figures.isMeasuring = true
  const began = performance.now()
  const cpu = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, order.measureMs))
  figures.isMeasuring = false
  const { user, system } = process.cpuUsage(cpu)
  return {
    delivered: figures.delivered,
    measuredMs: performance.now() - began,
    firstTick: latencyOf(figures.firstTick),
    secondTick: latencyOf(figures.secondTick),
    cpuSeconds: (user + system) / 1e6,
  }
}

/** Connects a sender and a recipient; returns what starts the loop. */
async function openPair(order: LoadOrder, name: string, figures: Figures) {
  const [from, to] = [await register(order.url, `${name}a`), await register(order.url, `${name}b`)]
  await open(order.url, to, (frame, device) => {
    if (frame.$case !== 'deliver') return
    const seq = frame.value.entries.at(-1)?.seq ?? 0
    device.send({ $case: 'ack', value: { seq, failed: [] } })
  })

  const sentAt = new Map<number, number>()
  const ciphertext = new Uint8Array(order.payloadBytes)
  let no = 0
  let tickedNo = 0
  const sender = await open(order.url, from, (frame) => {
    const now = performance.now()
    if (frame.$case === 'stored') {
      const { firstNo, lastNo } = frame.value
      for (let each = firstNo; each <= lastNo; each++) {
        record(figures.firstTick, figures, now, sentAt.get(each))
      }
      tickedNo = lastNo
    } else if (frame.$case === 'delivered') {
      for (const { first, last } of frame.value.nos) {
        for (let each = first; each <= last; each++) delivered(each, now)
      }
    } else if (frame.$case === 'rejected') {
      throw new Error(`rejected after ${tickedNo}: ${JSON.stringify(frame.value)}`)
    }
  })

  function delivered(which: number, now: number): void {
    record(figures.secondTick, figures, now, sentAt.get(which))
    sentAt.delete(which)
    if (figures.isMeasuring) figures.delivered++
    sendOne()
  }

  function sendOne(): void {
    no += 1
    sentAt.set(no, performance.now())
    const value = message(to.address.accountId, no, ciphertext)
    sender.send({ $case: 'send', value })
  }

  return () => {
    for (let each = 0; each < order.outstanding; each++) sendOne()
  }
}

function record(
  histogram: RecordableHistogram,
  { isMeasuring }: Figures,
  now: number,
  since: number | undefined,
): void {
  if (isMeasuring && since !== undefined)
    histogram.record(Math.max(1, Math.round((now - since) * 1_000)))
}

function latencyOf(histogram: RecordableHistogram): Latency {
  return { p50Ms: histogram.percentile(50) / 1_000, p99Ms: histogram.percentile(99) / 1_000 }
}

process.once('message', (order: LoadOrder) => {
  void run(order).then((result) => process.send?.({ result }, () => process.exit(0)))
})
