// twotick chat: send and receive in one terminal. What is typed stays intact while messages arrive;
// each line of one's own has its ticks in front, and they change in place. Without a terminal (a
// pipe, a script) lines come from standard input and everything is printed one after the other.

import { createInterface, type Interface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Message, RefusalCode, RejectedError, type StoppedError } from '@twotick/sdk'
import colors from 'picocolors'
import { CommandError, EXIT } from '../command-error.ts'
import { fateText } from '../fates.ts'
import { createNames, findRecipient, type Names, type Recipient } from '../names.ts'
import { type GlobalOptions, type Opened, withDevice } from '../open.ts'
import { type Output, openOutput } from '../output.ts'
import { clock, NOT_ENCRYPTED, note, origin, textOf } from '../print.ts'
import { refusalText } from '../refusal-text.ts'
import { createScreen, type Line, type Screen } from '../screen.ts'
import { padded, printable } from '../text.ts'
import { type Sending, sendWithTicks, type Tick } from '../ticks.ts'

const PROMPT = '> '
/** Where the relay does not say how long. */
const TOO_FAST_MS = 1_000
/** Of a line from a pipe: nobody has typed it, and it may be of any length. */
const SHOWN_MAX = 200

/** What is typed, without a terminal to type into. */
function plainScreen(output: Output): Screen {
  const print = (text: string): Line => {
    output.write(`${text}\n`)
    return { text }
  }
  return {
    print,
    printTyped: (_typed, text) => print(text),
    update: (_line, text) => void print(text),
  }
}

export async function chat(options: GlobalOptions, text: string): Promise<void> {
  if (options.json) {
    throw new CommandError(EXIT.usage, 'chat has no --json: use send and listen.')
  }
  let tell = note
  const converseOpened = async (opened: Opened) => {
    const recipient = await findRecipient(opened.device, text)
    const isTerminal = process.stdin.isTTY && process.stdout.isTTY
    const input = createInterface({
      input: process.stdin,
      output: isTerminal ? process.stdout : undefined,
      prompt: isTerminal ? PROMPT : '',
    })
    const output = openOutput()
    const screen = isTerminal ? terminalScreen(input, output) : plainScreen(output)
    tell = (line) => void screen.print(colors.dim(line))
    const names = createNames(opened.device)
    const talk = { opened, recipient, output, screen, names, isTerminal }
    if (isTerminal) introduce(screen, talk)
    try {
      await converse(input, talk)
    } finally {
      input.close()
      // The shell's prompt does not belong behind ours.
      if (isTerminal) console.log()
    }
  }
  await withDevice(options, converseOpened, { tellFate: (fate) => tell(fateText(fate)) })
}

interface Talk {
  readonly opened: Opened
  readonly recipient: Recipient
  readonly output: Output
  readonly screen: Screen
  readonly names: Names
  readonly isTerminal: boolean
}

function terminalScreen(input: Interface, output: Output): Screen {
  let isOpen = true
  input.once('close', () => (isOpen = false))
  return createScreen(output, {
    cursorRows: () => input.getCursorPos().rows,
    // What comes while the last lines wait for their ticks has no prompt to be above of.
    redraw: () => (isOpen ? input.prompt(true) : undefined),
  })
}

function introduce(screen: Screen, { opened, recipient }: Talk): void {
  const who = `${opened.profile} → ${recipient.name}`
  screen.print(`${colors.bold(who)}  ${colors.dim('✓ at the relay  ✓✓ delivered  Ctrl-D ends')}`)
  screen.print(colors.yellow(`! ${NOT_ENCRYPTED}`))
}

/** Until the end of the input, and then until all that was sent has its first tick. */
async function converse(input: Interface, talk: Talk): Promise<void> {
  const { device } = talk.opened
  const { promise: broken, reject } = Promise.withResolvers<never>()
  device.on('stopped', (error: StoppedError) => reject(error))
  showConnection(talk)
  device.onMessage(async (message) => {
    await show(talk, message)
    // Only what is out counts as received; what is not stays in the inbox.
    const out = talk.output.written()
    out.catch(reject)
    await out
  })
  const ending = new AbortController()
  const said = talk.isTerminal ? sayTyped(input, talk) : sayPiped(input, talk, ending.signal)
  await Promise.race([said, broken]).finally(() => ending.abort())
}

/** At once whatever is typed: its ticks say what became of it. */
async function sayTyped(input: Interface, talk: Talk): Promise<void> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<undefined>()
  const underway = new Set<Promise<unknown>>()
  input.on('close', () => resolve(undefined))
  input.on('SIGINT', () => input.close())
  input.on('line', (line) => {
    if (line.trim() === '') return input.prompt()
    const sending = showOwn(talk, line)({ text: line }).catch(reject)
    underway.add(sending)
    void sending.finally(() => underway.delete(sending))
  })
  input.prompt()
  await ended
  await Promise.all(underway)
}

/** Line by line, as fast as the relay lets: nobody is there to say it again. */
async function sayPiped(input: Interface, talk: Talk, signal: AbortSignal): Promise<void> {
  let failed = 0
  for await (const line of input) {
    signal.throwIfAborted()
    if (line.trim() === '') continue
    const send = showOwn(talk, line)
    let tick = await send({ text: line })
    for (let error = tooFast(tick); error !== undefined; error = tooFast(tick)) {
      await sleep(error.retryAfterMs || TOO_FAST_MS, undefined, { signal })
      tick = await send({ again: error.no })
    }
    if (tick.at === 'failed') failed += 1
  }
  if (failed === 0) return
  const verb = failed > 1 ? 'were' : 'was'
  throw new CommandError(EXIT.refused, `${failed} of the lines ${verb} not sent.`)
}

function tooFast(tick: Tick): RejectedError | undefined {
  const error = tick.at === 'failed' ? tick.error : undefined
  const isTooFast = error instanceof RejectedError && error.code === RefusalCode.RATE_LIMITED
  return isTooFast ? error : undefined
}

function showConnection({ opened: { device, url }, screen }: Talk): void {
  device.on('disconnected', () =>
    screen.print(colors.dim(`No connection to ${url}; trying again.`)),
  )
  device.on('connected', () => screen.print(colors.dim('Connected again.')))
}

const TICKS: Record<Tick['at'], string> = {
  kept: colors.dim('· '),
  stored: colors.green('✓ '),
  delivered: colors.green('✓✓'),
  failed: colors.red('✗ '),
}

/** Shows a line of one's own. What it returns sends it: resolves with its first tick, or with why not. */
function showOwn(talk: Talk, text: string): (sending: Sending) => Promise<Tick> {
  const { opened, recipient, screen, isTerminal } = talk
  const isLong = !isTerminal && text.length > SHOWN_MAX
  const shown = isLong ? `${text.slice(0, SHOWN_MAX)}…` : text
  const lineOf = ({ at }: Tick) => ownLine(TICKS[at], shown)
  const line = screen.printTyped(PROMPT + text, lineOf({ at: 'kept' }))
  return (sending) =>
    sendWithTicks(opened, { to: recipient.to, ...sending }, (tick) => {
      if (!isTerminal && tooFast(tick)) return // and sent again
      screen.update(line, lineOf(tick))
      if (tick.at !== 'failed') return
      screen.print(colors.red(`   ${tick.error ? refusalText(tick.error) : tick.reason}`))
    })
}

function ownLine(ticks: string, text: string): string {
  return `${colors.dim(clock(Date.now()))} ${ticks} ${printable(text)}`
}

/** A message of this conversation; one of another says where it belongs. */
async function show({ opened, recipient, screen, names }: Talk, message: Message): Promise<void> {
  const { accountId } = opened.device.address
  const isOwn = message.sender.accountId === accountId
  const isHere = isOfConversation(message, { recipient, accountId })
  const from = isHere ? await names.sender(message.sender) : await origin(message, names)
  const time = colors.dim(clock(message.acceptedAtMs))
  const who = isHere && !isOwn ? colors.cyan(from) : colors.dim(from)
  screen.print(`${time} ${padded('', 2)} ${who}  ${printable(textOf(message))}`)
}

function isOfConversation(
  { sender, to }: Message,
  { recipient, accountId }: { recipient: Recipient; accountId: string },
): boolean {
  if ('conversation' in recipient.to) {
    return 'conversation' in to && to.conversation === recipient.to.conversation
  }
  if ('conversation' in to) return false
  return sender.accountId === accountId
    ? to.account === recipient.to.account
    : sender.accountId === recipient.to.account
}
