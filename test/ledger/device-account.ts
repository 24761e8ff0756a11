// What one device's history comes to: what it has, until when it was there, what it was told it
// will not have.

import { accountOf, type DeviceEvent, type DeviceName, type MessageName } from './history.ts'

export interface DeviceAccount {
  readonly device: DeviceName
  readonly account: string
  readonly history: readonly DeviceEvent[]
  /** Its first session: what is sent from then on must reach it. */
  readonly readyAt: number
  /** Connected to the end of the run. */
  readonly isPresent: boolean
  /** Its account deleted, or it unlinked: nobody waits for it. */
  readonly hasLeft: boolean
  /** When it first had each message, durably. */
  readonly kept: ReadonlyMap<MessageName, number>
  readonly received: ReadonlySet<MessageName>
  /** When it was told of a gap after which it does not rely on what came before. */
  readonly gaps: readonly number[]
  /** How many entries it was told it has missed. */
  readonly missedEntries: number
}

/** Undefined: the device was never opened. */
export function accountFor(history: readonly DeviceEvent[]): DeviceAccount | undefined {
  const opened = history.find((event) => event.at === 'opened')
  if (opened === undefined) return undefined
  const kept = new Map<MessageName, number>()
  const received = new Set<MessageName>()
  const gaps: number[] = []
  let readyAt = Infinity
  let missedEntries = 0
  let epoch = ''
  let isPresent = false
  let hasLeft = false
  const keep = (names: readonly (readonly [MessageName, string])[], t: number) => {
    for (const [name] of names) if (!kept.has(name)) kept.set(name, t)
  }
  for (const event of history) {
    if (event.at === 'kept') keep(event.of, event.t)
    else if (event.at === 'found') keep(event.waiting, event.t)
    else if (event.at === 'received') received.add(event.of)
    else if (event.at === 'gap') gaps.push(event.t)
    else if (event.at === 'missed') missedEntries += event.lastSeq - event.firstSeq + 1
    else if (event.at === 'welcome') {
      readyAt = Math.min(readyAt, event.t)
      // It may be killed before it can say so itself.
      if (epoch !== '' && epoch !== event.epoch) gaps.push(event.t)
      epoch = event.epoch
    } else if (event.at === 'present') isPresent = true
    else if (event.at === 'opened' || event.at === 'stopped') isPresent = false
    else if (event.at === 'leaving' && event.device === opened.device) hasLeft = true
  }
  const { device } = opened
  const account = accountOf(device)
  return {
    ...{ device, account, history, readyAt, isPresent, hasLeft },
    ...{ kept, received, gaps, missedEntries },
  }
}
