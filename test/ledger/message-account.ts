// What all senders' histories come to: each message, and what its sender was told of it.

import type { DeviceAccount } from './device-account.ts'
import { accountOf, type DeviceName, type MessageName } from './history.ts'

export interface MessageAccount {
  readonly name: MessageName
  readonly id: string
  readonly sender: DeviceName
  readonly no: number
  readonly sentAt: number
  readonly to: readonly string[]
  /** First tick. */
  storedAt: number | undefined
  /** Definitely refused. */
  rejectedAt: number | undefined
  /** Sent again under another number: it may overtake and be overtaken. */
  isAgain: boolean
  /** Second tick, by recipient account. */
  readonly delivered: Map<string, number>
  /** Recipient accounts that a notice was for; the value: whether one of them closes the message. */
  readonly notices: Map<string, boolean>
}

export function messagesOf(
  devices: readonly DeviceAccount[],
): ReadonlyMap<MessageName, MessageAccount> {
  const messages = new Map<MessageName, MessageAccount>()
  for (const device of devices) addSends(device, messages)
  for (const device of devices) addAnswers(device, messages)
  return messages
}

function addSends(
  { device, history }: DeviceAccount,
  messages: Map<MessageName, MessageAccount>,
): void {
  for (const event of history) {
    if (event.at !== 'send') continue
    const { no, id, to, t } = event
    const name = `${device}#${no}`
    // The same number once more: the earlier line was written before a crash, and came to nothing.
    messages.set(name, {
      ...{ name, id, sender: device, no, sentAt: t, to },
      ...{ storedAt: undefined, rejectedAt: undefined, isAgain: false },
      ...{ delivered: new Map(), notices: new Map() },
    })
  }
}

function addAnswers(
  { device, history }: DeviceAccount,
  messages: Map<MessageName, MessageAccount>,
): void {
  const ofThis = (no: number) => messages.get(`${device}#${no}`)
  const stored = (no: number, t: number) => {
    const message = ofThis(no)
    if (message !== undefined) message.storedAt ??= t
  }
  const delivered = (no: number, account: string, t: number) => {
    const message = ofThis(no)
    if (message !== undefined && !message.delivered.has(account)) message.delivered.set(account, t)
  }
  for (const event of history) {
    if (event.at === 'stored') stored(event.no, event.t)
    else if (event.at === 'delivered') delivered(event.no, event.account, event.t)
    else if (event.at === 'found') {
      for (const no of event.stored) stored(no, event.t)
      for (const [no, account] of event.delivered) delivered(no, account, event.t)
      for (const [no, account] of event.closed) ofThis(no)?.notices.set(account, true)
    } else if (event.at === 'rejected' && event.isDefinite) {
      const message = ofThis(event.no)
      if (message !== undefined) message.rejectedAt ??= event.t
    } else if (event.at === 'again') {
      const message = ofThis(event.no)
      if (message !== undefined) message.isAgain = true
    } else if (event.at === 'notice') {
      const message = messages.get(`${accountOf(device)}/${event.device}#${event.no}`)
      for (const account of event.accounts) {
        const wasClosing = message?.notices.get(account) ?? false
        message?.notices.set(account, wasClosing || event.isClosing)
      }
    }
  }
}
