// What commands write to standard output.

import type { Message } from '@twotick/sdk'
import colors from 'picocolors'
import { groupName, type Names } from './names.ts'
import { printable } from './text.ts'

export const NOT_ENCRYPTED =
  'twotick does not encrypt yet: whoever runs the relay can read what you send.'

export function printJson(value: unknown): void {
  console.log(JSON.stringify(value))
}

export function warn(text: string): void {
  console.error(`${colors.yellow('!')} ${text}`)
}

export function note(text: string): void {
  console.error(colors.dim(text))
}

/** `14:03` of today, and with the date before it of another day. */
export function clock(atMs: number, now = new Date()): string {
  const at = new Date(atMs)
  const two = (number: number) => String(number).padStart(2, '0')
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`
  if (at.toDateString() === now.toDateString()) return time
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`
}

export function textOf({ body }: Message): string {
  return new TextDecoder().decode(body)
}

/** A message as `listen` prints it with --json. */
export async function messageJson(message: Message, names: Names) {
  const { sender, no, to, acceptedAtMs } = message
  const where =
    'conversation' in to ? { group: to.conversation } : { to: await names.of(to.account) }
  return {
    from: await names.of(sender.accountId),
    device: sender.deviceId,
    no,
    ...where,
    at: new Date(acceptedAtMs).toISOString(),
    text: textOf(message),
  }
}

/** Where a message belongs, for a person: `bob`, `you → bob`, `bob in g:1a2b3c4d`. */
export async function origin({ sender, to }: Message, names: Names): Promise<string> {
  const from = await names.sender(sender)
  if ('conversation' in to) return `${from} in ${groupName(to.conversation)}`
  return from.startsWith('you') ? `${from} → ${await names.of(to.account)}` : from
}

export async function messageLine(message: Message, names: Names): Promise<string> {
  const from = colors.bold(await origin(message, names))
  return `${colors.dim(clock(message.acceptedAtMs))}  ${from}  ${printable(textOf(message))}`
}
