// twotick send: one message, and its ticks.

import { text as readAll } from 'node:stream/consumers'
import type { OutgoingMessage, Outcome, SentMessage } from '@twotick/sdk'
import colors from 'picocolors'
import { CommandError, EXIT } from '../command-error.ts'
import { openJaeger } from '../jaeger.ts'
import { createNames, findRecipient, type Names } from '../names.ts'
import { because } from '../notice-text.ts'
import { type GlobalOptions, type Opened, withDevice } from '../open.ts'
import { clock, printJson } from '../print.ts'
import { whoHasIt } from '../reach.ts'
import { TWOTICK } from '../typed.ts'

const FIRST_TICK_S = 30

export interface SendArguments {
  readonly to: string
  readonly text: readonly string[]
  readonly wait: boolean
  readonly trace: boolean
  readonly jaeger: string
  readonly timeout?: number
}

export async function send(options: GlobalOptions, given: SendArguments): Promise<void> {
  const text = await textOf(given.text)
  await withDevice(options, async (opened) => {
    const { device, own } = opened
    const recipient = await findRecipient(device, given.to)
    const body = new TextEncoder().encode(text)
    const sent = await device.send({ to: recipient.to, body, trace: given.trace })
    own.sent.add(sent.no)
    if (given.wait && 'account' in recipient.to) own.awaited.add(sent.no)
    try {
      await follow(sent, { opened, name: recipient.name, options, given })
    } finally {
      own.sent.delete(sent.no)
      own.awaited.delete(sent.no)
    }
  })
}

interface Following {
  readonly opened: Opened
  readonly name: string
  readonly options: GlobalOptions
  readonly given: SendArguments
}

/** Tells of the first tick, and of the second where it is waited for. */
async function follow(sent: SentMessage, { opened, name, options, given }: Following) {
  const { device } = opened
  const { acceptedAtMs } = await firstTick(sent, opened, given.timeout ?? FIRST_TICK_S)
  if (!options.json) {
    console.log(`${colors.green('✓')}   ${clock(acceptedAtMs)}  the relay has it, for ${name}`)
    if (sent.traceId !== undefined) sayTrace(sent.traceId, sent.no, opened, given.jaeger)
  }
  const outcome = given.wait ? await secondTick(sent, given.timeout) : undefined
  if (options.json) {
    printJson({
      no: sent.no,
      to: name,
      stored: new Date(acceptedAtMs).toISOString(),
      ...(sent.traceId !== undefined && { traceId: sent.traceId }),
      ...(given.wait && { delivered: outcome?.undelivered.length === 0 }),
    })
  }
  if (!given.wait) return
  const names = createNames(device)
  if (outcome === undefined) await giveUp(device.sent(sent.no), { name, names })
  else await judge(outcome, { options, name, names })
}

/** The relay does not say whether it traces: that would tell who may. */
function sayTrace(traceId: string, no: number, { profile }: Opened, jaegerUrl: string): void {
  console.log(`    trace  ${traceId}, if the operator lets you`)
  console.log(`           ${colors.dim(openJaeger(jaegerUrl).pageOf(traceId))}`)
  console.log(`           ${colors.dim(`${TWOTICK} --as ${profile} trace ${no}`)}`)
}

async function textOf(words: readonly string[]): Promise<string> {
  const text =
    words.length === 1 && words[0] === '-' ? await readAll(process.stdin) : words.join(' ')
  if (text === '') throw new CommandError(EXIT.usage, 'There is no text to send.')
  return text
}

async function firstTick({ stored }: SentMessage, { profile }: Opened, seconds: number) {
  const tick = await within(stored, seconds)
  if (tick) return tick
  throw new CommandError(EXIT.offline, `No tick within ${seconds} s. The message is kept here.`, [
    `Any further command sends it, as soon as the relay takes it:  ${TWOTICK} --as ${profile} status`,
  ])
}

function secondTick({ delivered }: SentMessage, seconds: number | undefined) {
  return seconds === undefined ? delivered : within(delivered, seconds)
}

/** The time is over, and not everybody has it. */
async function giveUp(
  message: OutgoingMessage | undefined,
  { name, names }: { name: string; names: Names },
): Promise<never> {
  const reached = message && (await whoHasIt(message, names))
  const far = reached === undefined ? `No device of ${name} has it yet` : `Of ${name} ${reached}`
  throw new CommandError(EXIT.offline, `${far}. It waits at the relay.`)
}

async function judge(
  outcome: Outcome,
  { options, name, names }: { options: GlobalOptions; name: string; names: Names },
): Promise<void> {
  const [first] = outcome.undelivered
  if (first !== undefined) {
    const who = await Promise.all(outcome.undelivered.map(({ accountId }) => names.of(accountId)))
    throw new CommandError(
      EXIT.refused,
      `Not delivered to ${who.join(', ')}${because(first.kind)}.`,
    )
  }
  if (!options.json) console.log(`${colors.green('✓✓')}  ${clock(Date.now())}  ${name} has it`)
}

/** Undefined when the time is over. */
async function within<T>(promise: Promise<T>, seconds: number): Promise<T | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), seconds * 1000)
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
