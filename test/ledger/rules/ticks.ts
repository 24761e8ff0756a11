// What a sender is told is true, and it is told.

import type { DeviceAccount } from '../device-account.ts'
import type { Finding } from '../finding.ts'
import type { RunEvent } from '../history.ts'
import type { MessageAccount } from '../message-account.ts'
import type { DevicesByAccount } from './reach.ts'

/** Nothing can be committed from `from` to `to`. */
export interface Standstill {
  readonly from: number
  readonly to: number
}

export function standstillsOf(run: readonly RunEvent[]): Standstill[] {
  return run.flatMap((event) => {
    if (event.at !== 'standstill') return []
    const { number, t: from } = event
    const end = run.find((each) => each.at === 'standstill-ends' && each.number === number)
    return [{ from, to: end?.t ?? from }]
  })
}

/** A signal takes a moment until the last process stands still. */
const STANDSTILL_BEGINS_MS = 100

export function findTickLies(
  messages: Iterable<MessageAccount>,
  devices: DevicesByAccount,
  standstills: readonly Standstill[],
): Finding[] {
  const findings: Finding[] = []
  const found = ({ name: message, sender: device }: MessageAccount, what: string) =>
    findings.push({ kind: 'tickLies', device, message, what })
  for (const message of messages) {
    const { sentAt, storedAt = Infinity, delivered } = message
    if (
      standstills.some((each) => sentAt > each.from + STANDSTILL_BEGINS_MS && storedAt < each.to)
    ) {
      found(message, 'a first tick while nothing could be committed')
    }
    for (const [account, deliveredAt] of delivered) {
      const own = devices.get(account) ?? []
      const keptAt = Math.min(...own.map(({ kept }) => kept.get(message.name) ?? Infinity))
      if (keptAt === Infinity) found(message, 'a second tick, and no device has it')
      else if (keptAt > deliveredAt) {
        found(
          message,
          `a second tick ${(keptAt - deliveredAt).toFixed(1)} ms before a device had it`,
        )
      }
    }
    for (const [account, isClosing] of message.isAgain ? [] : message.notices) {
      const own = devices.get(account) ?? []
      if (!isClosing || !own.some((each) => each.isPresent && each.kept.has(message.name))) continue
      found(message, 'a notice that nobody has it, and a connected device has it')
    }
    if (message.rejectedAt !== undefined && isKept(message, devices)) {
      found(message, 'rejected for good, and a device has it')
    }
  }
  return findings
}

/** Of senders that are there at the end: what was stored is delivered, or closed by a notice. */
export function findMissingTicks(
  messages: Iterable<MessageAccount>,
  devices: DevicesByAccount,
  senders: ReadonlyMap<string, DeviceAccount>,
): Finding[] {
  const findings: Finding[] = []
  for (const message of messages) {
    const isThere = senders.get(message.sender)?.isPresent === true
    if (!isThere || message.storedAt === undefined) continue
    for (const account of message.to) {
      if (message.delivered.has(account) || message.notices.get(account)) continue
      const own = devices.get(account) ?? []
      const what = whyDue(own, message)
      if (what === undefined) continue
      const { sender: device, name } = message
      findings.push({ kind: 'ticksMissing', device, message: name, what })
    }
  }
  return findings
}

/** Undefined: it may well wait for a device that is away. */
function whyDue(own: readonly DeviceAccount[], message: MessageAccount): string | undefined {
  if (own.some(({ isPresent, kept }) => isPresent && kept.has(message.name))) {
    return 'a connected device has it'
  }
  if (own.length > 0 && own.every(({ hasLeft }) => hasLeft)) return 'nobody is left to have it'
  return undefined
}

function isKept(message: MessageAccount, devices: DevicesByAccount): boolean {
  return message.to.some((account) =>
    (devices.get(account) ?? []).some(({ kept }) => kept.has(message.name)),
  )
}
