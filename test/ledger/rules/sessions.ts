// What a session is pushed, seen on its wire: nothing at or below its cursor, nothing twice, each
// mailbox the same to every session, and of one sender in the order of its numbers.

import type { DeviceAccount } from '../device-account.ts'
import type { Finding } from '../finding.ts'
import { type DeviceEvent, type MessageName, numberOf, senderOf } from '../history.ts'

export function findWrongPushes({ device, history }: DeviceAccount): Finding[] {
  const findings: Finding[] = []
  const mailboxes = new Map<string, Map<number, MessageName>>()
  let mailbox = new Map<number, MessageName>()
  let pushedSeq = Infinity
  let ackedSeq = -1 // the highest that this device has ever acknowledged

  for (const event of history) {
    if (event.at === 'welcome') {
      mailbox = mailboxes.get(event.epoch) ?? new Map()
      mailboxes.set(event.epoch, mailbox)
      pushedSeq = event.ackedSeq
      // A device begins at the head of its mailbox.
      if (ackedSeq === -1) ackedSeq = event.ackedSeq
      else if (event.ackedSeq > ackedSeq) {
        const what = `acked_seq is ${event.ackedSeq}; it has acknowledged ${ackedSeq}`
        findings.push({ kind: 'cursorLies', device, what })
      }
    } else if (event.at === 'ack') ackedSeq = Math.max(ackedSeq, event.seq)
    else if (event.at === 'pushed') {
      event.of.forEach((name, index) => {
        const seq = event.firstSeq + index
        if (seq <= pushedSeq) {
          const what = `entry ${seq}, after ${pushedSeq}`
          findings.push({ kind: 'pushedAgain', device, message: name, what })
        }
        pushedSeq = Math.max(pushedSeq, seq)
        const before = mailbox.get(seq)
        if (before !== undefined && before !== name) {
          const what = `entry ${seq} was ${before} before`
          findings.push({ kind: 'unexpected', device, message: name, what })
        }
        mailbox.set(seq, name)
      })
    } else if (event.at === 'missed') {
      if (event.firstSeq <= pushedSeq) {
        const what = `missed ${event.firstSeq}, after ${pushedSeq}`
        findings.push({ kind: 'pushedAgain', device, what })
      }
      pushedSeq = Math.max(pushedSeq, event.lastSeq)
    }
  }
  for (const entries of mailboxes.values()) findings.push(...findDisorder(device, entries))
  return findings
}

/** A sender's numbers grow along a mailbox: also resends have numbers of their own here. */
function findDisorder(device: string, mailbox: ReadonlyMap<number, MessageName>): Finding[] {
  const lastNos = new Map<string, number>()
  const findings: Finding[] = []
  for (const seq of [...mailbox.keys()].sort((a, b) => a - b)) {
    const name = mailbox.get(seq)
    if (!name) continue // a notice
    const [sender, no] = [senderOf(name), numberOf(name)]
    const lastNo = lastNos.get(sender) ?? 0
    if (no <= lastNo) {
      const what = `entry ${seq} has a number that is not above ${lastNo}`
      findings.push({ kind: 'outOfOrder', device, message: name, what })
    }
    lastNos.set(sender, no)
  }
  return findings
}

const STATES = new Set<DeviceEvent['at']>(['opened', 'stopped', 'away', 'present'])

/** Which ends a device may meet, and what must have happened before. */
const CAUSES: Record<string, string> = {
  forked: 'restored',
  unlinked: 'leaving',
  // Unlinked while it was not connected: to the relay it is a stranger by then.
  unauthenticated: 'leaving',
}

export function findWrongEnds(devices: readonly DeviceAccount[]): Finding[] {
  const leaving = new Set(
    devices.flatMap(({ history }) =>
      history.flatMap((event) => (event.at === 'leaving' ? [event.device] : [])),
    ),
  )
  return devices.flatMap(({ device, history, isPresent }): Finding[] => {
    const last = history.findLast(({ at }) => STATES.has(at))
    const isGone = !isPresent && last?.at === 'opened'
    if (isGone) return [{ kind: 'wrongEnds', device, what: 'not connected at the end of the run' }]
    return history.flatMap((event): Finding[] => {
      if (event.at !== 'stopped') return []
      const cause = CAUSES[event.reason]
      const isExplained =
        cause === 'leaving' ? leaving.has(device) : history.some(({ at }) => at === cause)
      if (isExplained) return []
      return [{ kind: 'wrongEnds', device, what: `stopped: ${event.reason}` }]
    })
  })
}

/** An old copy of a storage is found out as soon as the relay knows more of its device. */
export function findUnnoticedCopies({ device, history }: DeviceAccount): Finding[] {
  let ackedSeq: number | undefined // undefined before its first session: then a copy knows nothing
  let copiedSeq: number | undefined
  let isRestored = false
  for (const [index, event] of history.entries()) {
    if (event.at === 'ack') ackedSeq = Math.max(ackedSeq ?? 0, event.seq)
    else if (event.at === 'copied') copiedSeq = ackedSeq
    else if (event.at === 'restored') isRestored = true
    else if (event.at !== 'welcome') continue
    // A linked device begins at the head of its mailbox, without an ack.
    else if (!isRestored || copiedSeq === undefined)
      ackedSeq = Math.max(ackedSeq ?? 0, event.ackedSeq)
    else {
      if (event.ackedSeq <= copiedSeq) return []
      const rest = history.slice(index)
      if (rest.some((each) => each.at === 'stopped' && each.reason === 'forked')) return []
      const what = `an old copy of its storage, of entry ${copiedSeq}, went on at ${event.ackedSeq}`
      return [{ kind: 'wrongEnds', device, what }]
    }
  }
  return []
}
