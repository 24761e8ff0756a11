// Once in effect on each device, and in the order sent.

import type { DeviceAccount } from '../device-account.ts'
import type { Finding } from '../finding.ts'
import { type MessageName, numberOf, senderOf } from '../history.ts'
import type { MessageAccount } from '../message-account.ts'

/**
 * Kept twice; or handed to the application again, though no restart had found it waiting. What a device
 * had only after a copy of its storage was made is gone where that copy takes its place.
 */
export function findTwice(devices: readonly DeviceAccount[]): Finding[] {
  return devices.flatMap(({ device, history }) => {
    const findings: Finding[] = []
    let kept = new Set<MessageName>()
    let received = new Set<MessageName>()
    let copy = { kept, received }
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
      } else if (event.at === 'copied') {
        copy = { kept: new Set(kept), received: new Set(received) }
      } else if (event.at === 'restored') {
        kept = new Set(copy.kept)
        received = new Set(copy.received)
      }
    }
    return findings
  })
}

/** As kept on the device: of one sender, in the order of its numbers. A copy goes on from its own. */
export function findOutOfOrder(
  messages: ReadonlyMap<MessageName, MessageAccount>,
  devices: readonly DeviceAccount[],
): Finding[] {
  return devices.flatMap(({ device, history }) => {
    const findings: Finding[] = []
    let lastNos = new Map<string, number>()
    let copy = lastNos
    for (const event of history) {
      if (event.at === 'copied') copy = new Map(lastNos)
      else if (event.at === 'restored') lastNos = new Map(copy)
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
