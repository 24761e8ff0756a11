// Every message with a first tick reaches every device of its recipients, or its sender has a notice
// that says why not, or the device was told of a hole and another device of its account has it.

import type { DeviceAccount } from '../device-account.ts'
import type { Finding } from '../finding.ts'
import { accountOf } from '../history.ts'
import type { MessageAccount } from '../message-account.ts'

export type DevicesByAccount = ReadonlyMap<string, readonly DeviceAccount[]>

export function findLost(messages: Iterable<MessageAccount>, devices: DevicesByAccount): Finding[] {
  const findings: Finding[] = []
  const excused = new Map<DeviceAccount, number>()
  for (const message of messages) {
    if (message.storedAt === undefined) continue
    for (const account of new Set([...message.to, accountOf(message.sender)])) {
      const own = devices.get(account) ?? []
      for (const device of own.filter((each) => owes(each, message))) {
        const isTold = message.notices.has(account)
        if (isTold || isExcused(device, message, { own, excused })) continue
        const { name } = message
        findings.push({ kind: 'lost', device: device.device, message: name, what: tell(message) })
      }
    }
  }
  return findings
}

/** Whether the device should have it, and has not. */
function owes(device: DeviceAccount, message: MessageAccount): boolean {
  if (!device.isPresent || device.device === message.sender) return false
  return message.sentAt > device.readyAt && !device.received.has(message.name)
}

interface Siblings {
  readonly own: readonly DeviceAccount[]
  /** Each hole excuses as many messages as it has entries. */
  readonly excused: Map<DeviceAccount, number>
}

function isExcused(device: DeviceAccount, message: MessageAccount, siblings: Siblings): boolean {
  const hasSibling = siblings.own.some(
    (each) => each.kept.has(message.name) || each.device === message.sender,
  )
  if (!hasSibling) return false
  if (device.gaps.some((gapAt) => gapAt > message.sentAt)) return true
  const before = siblings.excused.get(device) ?? 0
  if (before >= device.missedEntries) return false
  siblings.excused.set(device, before + 1)
  return true
}

function tell({ sentAt, storedAt, delivered }: MessageAccount): string {
  const ticks = delivered.size > 0 ? 'both ticks' : 'a first tick'
  return `sent at ${sentAt.toFixed(0)}, ${ticks} at ${storedAt?.toFixed(0)}`
}

/** Nothing comes out that was not put in, and nothing goes where it was not sent. */
export function findUnexpected(
  messages: ReadonlyMap<string, MessageAccount>,
  devices: readonly DeviceAccount[],
): Finding[] {
  return devices.flatMap(({ device, account, history }) =>
    history.flatMap((event): Finding[] => {
      if (event.at !== 'kept') return []
      return event.of.flatMap(([name, id]): Finding[] => {
        const message = messages.get(name)
        const found = { kind: 'unexpected', device, message: name } as const
        if (message === undefined) return [{ ...found, what: 'nobody sent it' }]
        if (message.id !== id) return [{ ...found, what: `sent as ${message.id}, came as ${id}` }]
        const isFor = message.to.includes(account) || accountOf(message.sender) === account
        return isFor ? [] : [{ ...found, what: 'not sent to this account' }]
      })
    }),
  )
}
