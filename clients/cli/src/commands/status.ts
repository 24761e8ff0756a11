// twotick status: who and where this device is, and what waits.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Device, OutgoingMessage } from '@twotick/sdk'
import colors from 'picocolors'
import { createNames, groupName, type Names } from '../names.ts'
import { type GlobalOptions, type Opened, withDevice } from '../open.ts'
import { clock, printJson } from '../print.ts'
import { profilePath, shortPath } from '../profile.ts'
import { whoHasIt } from '../reach.ts'
import { TWOTICK } from '../typed.ts'

const SHOWN_MAX = 10
const COUNTED_MAX = 1_000
const TICKS_MS = 1_500
const TICKS_LOOK_MS = 50

export async function status(options: GlobalOptions): Promise<void> {
  await withDevice(options, async (opened) => {
    const { device, profile, url } = opened
    const names = createNames(device)
    const handle = await names.of(device.address.accountId)
    await ticksHadTime(device)
    const counts = await count(opened)
    const waiting = device.unfinished()
    if (options.json) {
      const outbox = await Promise.all(waiting.map((message) => messageJson(message, names)))
      return printJson({ handle, profile, url, ...device.address, ...counts, outbox })
    }
    const { accountId, deviceId } = device.address
    console.log(`${colors.bold(handle)}  device ${deviceId} of account ${accountId}`)
    row('profile', shortPath(profilePath(profile)))
    row('relay', `${url}, connected`)
    row('position', `sent ${counts.sent}, received ${counts.received}`)
    row('inbox', counts.inbox === 0 ? 'empty' : `${counts.inbox} to read: ${TWOTICK} listen`)
    row('outbox', waiting.length === 0 ? 'nothing waits for a tick' : `${waiting.length} waiting`)
    for (const message of waiting.slice(0, SHOWN_MAX))
      console.log(await waitingLine(message, names))
    if (waiting.length > SHOWN_MAX)
      console.log(`            and ${waiting.length - SHOWN_MAX} more`)
  })
}

/** Second ticks that were missed are asked for at each connect; their answers come in a moment. */
async function ticksHadTime(device: Device): Promise<void> {
  const until = performance.now() + TICKS_MS
  while (device.unfinished().length > 0 && performance.now() < until) await sleep(TICKS_LOOK_MS)
}

function row(title: string, text: string): void {
  console.log(`  ${colors.dim(title.padEnd(8))}  ${text}`)
}

async function count({ storage }: Opened) {
  const [sending, receiving, inbox] = await Promise.all([
    storage.read('sending', 'self'),
    storage.read('receiving', 'self'),
    storage.list('inbox', '', COUNTED_MAX),
  ])
  return {
    sent: sending?.acceptedNo ?? 0,
    received: receiving?.position ?? 0,
    inbox: inbox.length,
  }
}

async function recipientOf({ to }: OutgoingMessage, names: Names): Promise<string> {
  return 'conversation' in to ? groupName(to.conversation) : names.of(to.account)
}

async function messageJson(message: OutgoingMessage, names: Names) {
  const { no, storedAtMs } = message
  return { no, to: await recipientOf(message, names), firstTick: storedAtMs !== undefined }
}

async function waitingLine(message: OutgoingMessage, names: Names): Promise<string> {
  const { no, storedAtMs } = message
  const to = await recipientOf(message, names)
  const reached = (await whoHasIt(message, names)) ?? 'no device of theirs has it yet'
  const state =
    storedAtMs === undefined ? 'not yet at the relay' : `✓ ${clock(storedAtMs)}, ${reached}`
  return `            ${colors.dim(`${no}`)}  to ${to}  ${state}`
}
