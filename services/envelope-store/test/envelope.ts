// What a device of a test sends, and what it reads.

import {
  type AccountId,
  type DeviceAddress,
  EnvelopeType,
  type RefusalCode,
} from '@twotick/protocol'
import type { Append, StoredEntry, Verdict } from '@twotick/protocol/services'
import { randomBytes } from 'node:crypto'
import type { TestStore } from './store.ts'

/** A device that sends: numbers its sends and knows its session. */
export async function openSender(store: TestStore, device: DeviceAddress) {
  const opened = await store.openSession(device)
  let { sentNo } = opened
  function next(to: readonly AccountId[], rest: Rest = {}): Omit<Append, 'id'> {
    const prevNo = sentNo
    sentNo += 1
    return envelope(device, { session: opened.session, no: sentNo, prevNo, ...rest, to })
  }
  return {
    device,
    opened,
    next,
    send: (to: readonly AccountId[], rest: Rest = {}) => store.append(next(to, rest)),
  }
}

type Rest = Omit<Partial<Append>, 'to'>
type Sent = Pick<Append, 'session' | 'no' | 'prevNo'> & { to: readonly AccountId[] }

export function envelope(
  sender: DeviceAddress,
  { to, ...rest }: Omit<Partial<Append>, 'to'> & Sent,
): Omit<Append, 'id'> {
  return {
    sender,
    tag: randomBytes(8),
    to: { to: { $case: 'accountId', value: to[0] ?? sender.accountId } },
    type: EnvelopeType.MESSAGE,
    lifetimeS: 3600,
    recipientAccountIds: [...to],
    ciphertext: Buffer.from(`message ${rest.no}`),
    parts: [],
    ...rest,
  }
}

/** The code of a refusal; undefined if the outcome is none. */
export function codeOf(outcome: Verdict['outcome']): RefusalCode | undefined {
  return outcome?.$case === 'refusal' ? outcome.value.code : undefined
}

export function textOf(entry: StoredEntry | undefined): string | undefined {
  if (entry?.content?.$case !== 'envelope') return undefined
  return Buffer.from(entry.content.value.ciphertext).toString()
}

export function noticeOf(entry: StoredEntry | undefined) {
  return entry?.content?.$case === 'notice' ? entry.content.value : undefined
}

/** The parts of an envelope: a ciphertext for each of these devices. */
export function partsFor(...devices: DeviceAddress[]) {
  return devices.map((address) => ({
    address,
    ciphertext: Buffer.from(`for ${address.deviceId}`),
  }))
}
