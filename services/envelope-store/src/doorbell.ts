// The doorbell: after a commit, what was appended and which second ticks are owed, over NATS.
// Nobody waits for it and nothing depends on it; where NATS is down it is simply not heard.

import { type AccountId, addressKey, type DeviceAddress } from '@twotick/protocol'
import { Appended, type Tick, TicksDelivered } from '@twotick/protocol/services'
import { appendedMessages, MESSAGE_BYTES } from './appended-messages.ts'
import type { Draft, Name, OwedTick } from './draft.ts'
import { onCommitted, onUnpublished } from './events.ts'
import { hopsOfTicks } from './traces.ts'

const TICK_BYTES = 96
const RANGE_BYTES = 20

export interface Publisher {
  /** false: it was dropped. */
  publish(subject: string, data: Uint8Array): boolean
}

/** Rings for what a committed transaction has written. */
export type Ring = (epoch: string, draft: Draft) => void

export function createDoorbell(bus: Publisher): Ring {
  function publish(subject: string, data: Uint8Array) {
    if (!bus.publish(subject, data)) onUnpublished()
  }
  return (epoch, draft) => {
    onCommitted(draft)
    for (const message of appendedMessages(epoch, draft.appended)) {
      publish('mailbox.appended', Appended.encode(message).finish())
    }
    const bytesOfTick = (tick: Tick) => TICK_BYTES + tick.nos.length * RANGE_BYTES
    for (const ticks of inMessages(ticksOf(draft.ticks), bytesOfTick)) {
      publish('mailbox.delivered', TicksDelivered.encode({ epoch, ticks }).finish())
    }
  }
}

/** One tick a sending device and recipient account; a range holds only what was delivered. */
export function ticksOf(owed: readonly OwedTick[]): Tick[] {
  const groups = new Map<string, { sender: DeviceAddress; to: AccountId; names: Name[] }>()
  for (const { name, recipientAccountId: to } of owed) {
    if (name === undefined) continue
    const key = `${addressKey(name.sender)}>${to}`
    const group = groups.get(key) ?? { sender: name.sender, to, names: [] }
    groups.set(key, group)
    group.names.push(name)
  }
  return [...groups.values()].map(({ sender, to, names }) => {
    const tick = { sender, recipientAccountId: to, nos: rangesOf(names.map(({ no }) => no)) }
    const traces = hopsOfTicks(names)
    return traces === undefined ? tick : { ...tick, traces }
  })
}

function rangesOf(nos: number[]): { first: number; last: number }[] {
  const ranges: { first: number; last: number }[] = []
  for (const no of nos.sort((a, b) => a - b)) {
    const range = ranges.at(-1)
    if (range !== undefined && no <= range.last + 1) range.last = no
    else ranges.push({ first: no, last: no })
  }
  return ranges
}

/** Those of one message; one that is larger goes alone. */
function* inMessages<T>(items: readonly T[], bytesOf: (item: T) => number): Generator<T[]> {
  let message: T[] = []
  let bytes = 0
  for (const item of items) {
    const itemBytes = bytesOf(item)
    if (message.length > 0 && bytes + itemBytes > MESSAGE_BYTES) {
      yield message
      message = []
      bytes = 0
    }
    message.push(item)
    bytes += itemBytes
  }
  if (message.length > 0) yield message
}
