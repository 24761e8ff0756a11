// twotick listen: prints messages as they come. A message leaves the inbox once it is printed.

import type { Message, StoppedError } from '@twotick/sdk'
import { createNames, type Names } from '../names.ts'
import { reason } from '../notice-text.ts'
import { type GlobalOptions, type Opened, withDevice } from '../open.ts'
import { messageJson, messageLine, note, printJson } from '../print.ts'

export interface ListenOptions {
  readonly drain: boolean
  readonly count?: number
}

export async function listen(options: GlobalOptions, how: ListenOptions): Promise<void> {
  await withDevice(options, async (opened) => {
    const names = createNames(opened.device)
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    const end = () => resolve(undefined)
    process.on('SIGINT', end)
    process.on('SIGTERM', end)
    opened.device.on('stopped', (error: StoppedError) => reject(error))
    if (!how.drain) note(`Listening as ${opened.profile}. Ctrl-C ends it.`)
    tellOfTheConnection(opened)
    tellOfNotices(opened, names)
    endInTime(opened, how, end)
    opened.device.onMessage(printer(options, names, how.count))
    await promise
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
  })
}

/** With a count: what is beyond it stays in the inbox, as for a handler that fails. */
function printer({ json }: GlobalOptions, names: Names, countMax = Infinity) {
  let printed = 0
  return async (message: Message) => {
    if (++printed > countMax) throw new Error('enough for this time')
    if (json) printJson(await messageJson(message, names))
    else console.log(await messageLine(message, names))
  }
}

function tellOfTheConnection({ device, url }: Opened): void {
  device.on('disconnected', () => note(`No connection to ${url}; trying again.`))
  device.on('connected', () => note('Connected again.'))
}

function tellOfNotices({ device }: Opened, names: Names): void {
  device.on('notice', async ({ no, kind, closing, recipients }) => {
    if (!closing) return
    const who = await Promise.all(recipients.map(({ accountId }) => names.of(accountId)))
    note(`Your message ${no} was not delivered to ${who.join(', ')}${reason(kind)}.`)
  })
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
