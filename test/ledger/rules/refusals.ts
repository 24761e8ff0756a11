// What a proper device was refused for good, and whether there was a reason: what may be tried again
// later is one, and so is a recipient that has left. Everything else is the relay's mistake.

import type { DeviceAccount } from '../device-account.ts'
import type { Finding } from '../finding.ts'

/** A client may send it again (docs/refusals.md). */
const RETRYABLE = new Set(['ROSTER_STALE', 'RATE_LIMITED', 'MAILBOX_FULL', 'OWN_MAILBOX_FULL'])
/** The second by the directory, before anything could be sent. */
const NOBODY_THERE = new Set(['UNKNOWN_RECIPIENT', 'NOT_FOUND'])

export function findWrongRefusals(devices: readonly DeviceAccount[]): Finding[] {
  const byAccount = Map.groupBy(devices, ({ account }) => account)
  const left = new Set(
    [...byAccount].flatMap(([account, own]) =>
      own.every(({ hasLeft }) => hasLeft) ? [account] : [],
    ),
  )
  return devices.flatMap(({ device, history }): Finding[] => {
    if (isSuspect(history)) return []
    const to = new Map(
      history.flatMap((event) => (event.at === 'send' ? [[event.no, event.to]] : [])),
    )
    return history.flatMap((event): Finding[] => {
      if (event.at !== 'rejected' || RETRYABLE.has(event.code)) return []
      const recipients = to.get(event.no) ?? [...left]
      if (NOBODY_THERE.has(event.code) && recipients.some((id) => left.has(id))) return []
      const message = `${device}#${event.no}`
      return [{ kind: 'wrongRefusals', device, message, what: event.code }]
    })
  })
}

/** Of these a refusal may be just what they have asked for. */
function isSuspect(history: DeviceAccount['history']): boolean {
  return history.some(
    (event) => event.at === 'restored' || (event.at === 'opened' && event.role === 'unruly'),
  )
}

/** How many sends were refused, by code, also those that were sent again later. */
export function countRejections(devices: readonly DeviceAccount[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const event of devices.flatMap(({ history }) => history)) {
    if (event.at === 'rejected') counts.set(event.code, (counts.get(event.code) ?? 0) + 1)
  }
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a))
}
