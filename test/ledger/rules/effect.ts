// Once in effect on each device, and in the order sent.

import type { DeviceAccount } from '../device-account.ts'
import type { Finding } from '../finding.ts'
import { type MessageName, numberOf, senderOf } from '../history.ts'
import type { MessageAccount } from '../message-account.ts'

/** Kept twice; or handed to the application again, though no restart had found it waiting. */
export function findTwice(devices: readonly DeviceAccount[]): Finding[] {
  return devices.flatMap(({ device, history }) => {
    const findings: Finding[] = []
    const kept = new Set<MessageName>()
    const received = new Set<MessageName>()
    const again = (message: MessageName, what: string) =>
      findings.push({ kind: 'twice', device, message, what })
    for (const event of history) {
      if (event.at === 'kept') {
        for (const [name] of event.of) {
          if (kept.has(name)) again(name, 'kept again')
          kept.add(name)
        }
      } else if (event.at === 'found') {
        for (const [name] of event.waiting) {
          kept.add(name)
          received.delete(name)
        }
      } else if (event.at === 'received') {
        if (received.has(event.of)) again(event.of, 'handed to the application again')
        received.add(event.of)
      }
    }
    return findings
  })
}

/** As kept on the device: of one sender, in the order of its numbers. */
export function findOutOfOrder(
  messages: ReadonlyMap<MessageName, MessageAccount>,
  devices: readonly DeviceAccount[],
): Finding[] {
  return devices.flatMap(({ device, history }) => {
    const findings: Finding[] = []
    const lastNos = new Map<string, number>()
    for (const event of history) {
      if (event.at !== 'kept') continue
      for (const [name] of event.of) {
        if (messages.get(name)?.isAgain) continue
        const [sender, no] = [senderOf(name), numberOf(name)]
        const lastNo = lastNos.get(sender) ?? 0
        if (no < lastNo) {
          const what = `kept after number ${lastNo} of the same sender`
          findings.push({ kind: 'outOfOrder', device, message: name, what })
        }
        lastNos.set(sender, Math.max(lastNo, no))
      }
    }
    return findings
  })
}
