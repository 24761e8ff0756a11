// twotick listen: prints messages as they come. A message leaves the inbox once it is printed.

import type { Message, StoppedError } from '@twotick/sdk'
import { onInterrupt } from '../interrupt.ts'
import { createNames, type Names } from '../names.ts'
import { type GlobalOptions, type Opened, withDevice } from '../open.ts'
import { type Output, openOutput } from '../output.ts'
import { messageJson, messageLine, note, printJson } from '../print.ts'

export interface ListenOptions {
  readonly drain: boolean
  readonly count?: number
}

export async function listen(options: GlobalOptions, how: ListenOptions): Promise<void> {
  // To a script it is one more thing that has come.
  const opening = options.json ? { tellFate: printJson } : {}
  await withDevice(options, (opened) => printAll(options, how, opened), opening)
}

async function printAll(options: GlobalOptions, how: ListenOptions, opened: Opened): Promise<void> {
  const names = createNames(opened.device)
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  const end = () => resolve(undefined)
  onInterrupt(end)
  opened.device.on('stopped', (error: StoppedError) => reject(error))
  if (!how.drain) note(`Listening as ${opened.profile}. Ctrl-C ends it.`)
  tellOfTheConnection(opened)
  endInTime(opened, how, end)
  const print = printer(options, names, openOutput())
  opened.device.onMessage(upTo(how.count, print, reject))
  await promise
}

/** What is beyond the count, or could not be printed, stays in the inbox; the latter ends it all. */
function upTo(
  countMax = Infinity,
  print: (message: Message) => Promise<void>,
  failed: (error: unknown) => void,
) {
  let printed = 0
  return async (message: Message) => {
    if (++printed > countMax) throw new Error('enough for this time')
    try {
      await print(message)
    } catch (error) {
      failed(error)
      throw error
    }
  }
}

function printer({ json }: GlobalOptions, names: Names, output: Output) {
  return async (message: Message) => {
    const line = json
      ? JSON.stringify(await messageJson(message, names))
      : await messageLine(message, names)
    output.write(`${line}\n`)
    await output.written()
  }
}

function tellOfTheConnection({ device, url }: Opened): void {
  device.on('disconnected', () => note(`No connection to ${url}; trying again.`))
  device.on('connected', () => note('Connected again.'))
}

/** With --count after so many messages; with --drain once what waited is printed. */
function endInTime({ device, storage }: Opened, how: ListenOptions, end: () => void): void {
  let printed = 0
  let isDrained = false

  async function look() {
    if (how.count !== undefined && printed >= how.count) return end()
    if (!how.drain || !isDrained) return
    if ((await storage.list('inbox', '', 1)).length === 0) end()
  }

  device.on('message', () => {
    printed++
    return look()
  })
  device.on('drained', () => {
    isDrained = true
    return look()
  })
}
