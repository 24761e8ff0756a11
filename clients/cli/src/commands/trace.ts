// twotick trace: the way of one message through the relay, hop by hop, as Jaeger has it.

import { setTimeout as sleep } from 'node:timers/promises'
import colors from 'picocolors'
import { CommandError, EXIT } from '../command-error.ts'
import { type Jaeger, openJaeger } from '../jaeger.ts'
import { type GlobalOptions, withProfile } from '../open.ts'
import { note, printJson } from '../print.ts'
import { duration, type Span, traceTree } from '../trace-tree.ts'
import { TWOTICK } from '../typed.ts'

const TRACE_ID = /^[0-9a-f]{32}$/

/** Services send their spans every few seconds. */
const ARRIVE_MS = 12_000
const LOOK_MS = 500

export interface TraceArguments {
  /** A send number of this profile, or a trace id. */
  readonly message: string
  readonly jaeger: string
}

export async function trace(options: GlobalOptions, given: TraceArguments): Promise<void> {
  const traceId = await traceIdOf(options, given.message)
  const jaeger = openJaeger(given.jaeger)
  const spans = await arrived(jaeger, traceId)
  const originMs = Math.min(...spans.map(({ startMs }) => startMs))
  const linked = await jaeger.linkedTo(traceId, Math.floor(originMs))
  if (options.json) return printJson({ traceId, spans, linked })
  console.log(`${colors.bold(`trace ${traceId}`)}  ${summary(spans)}`)
  console.log(`${colors.dim(jaeger.pageOf(traceId))}\n`)
  for (const line of traceTree(spans, originMs)) console.log(line)
  if (linked.length === 0) return
  console.log(`\n${colors.bold('linked')}  what was done for several at once, or later`)
  for (const line of traceTree(linked, originMs)) console.log(line)
}

async function traceIdOf(options: GlobalOptions, message: string): Promise<string> {
  if (TRACE_ID.test(message)) return message
  if (!/^[0-9]{1,15}$/.test(message)) {
    throw new CommandError(EXIT.usage, `"${message}" is neither a send number nor a trace id.`)
  }
  return withProfile(options, async ({ storage }) => {
    const sent = await storage.read('message', message.padStart(16, '0'))
    if (sent?.traceId !== undefined) return sent.traceId
    const what = sent === undefined ? 'is not known here (any more)' : 'was sent without a trace'
    throw new CommandError(EXIT.refused, `Message ${message} ${what}.`, [
      `${TWOTICK} send --trace <to> <text>   asks for one`,
    ])
  })
}

/** Waits until nothing new has come for a moment. */
async function arrived(jaeger: Jaeger, traceId: string): Promise<readonly Span[]> {
  const until = performance.now() + ARRIVE_MS
  let spans = await jaeger.read(traceId)
  if (spans.length === 0) note('Jaeger does not have it yet; waiting …')
  while (performance.now() < until) {
    await sleep(LOOK_MS)
    const before = spans.length
    spans = await jaeger.read(traceId)
    if (before > 0 && spans.length === before) return spans
  }
  if (spans.length > 0) return spans
  throw new CommandError(EXIT.refused, `Jaeger has no trace ${traceId}.`, [
    'The operator has to allow your account to ask for traces (TWOTICK_TRACE_ACCOUNTS),',
    'a few a minute; and Jaeger keeps only the newest.',
  ])
}

function summary(spans: readonly Span[]): string {
  const services = new Set(spans.map(({ service }) => service)).size
  const first = Math.min(...spans.map(({ startMs }) => startMs))
  const last = Math.max(...spans.map(({ startMs, durationMs }) => startMs + durationMs))
  return `${spans.length} hops, ${services} services, ${duration(last - first)}`
}
