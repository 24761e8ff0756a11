// How long after each fault's healing the relay was stable again: when every connected device had
// what was sent before that moment, and when its senders had every second tick. And how long, while
// it lasted, a device had to wait for an answer or the end of its session.

import type { DeviceAccount } from './device-account.ts'
import { accountOf, type RunEvent } from './history.ts'
import type { MessageAccount } from './message-account.ts'
import type { DevicesByAccount } from './rules/reach.ts'

export interface Recovery {
  readonly number: number
  readonly name: string
  readonly at: number
  readonly healedAt: number
  /** From heal to everything received; 0: nothing was behind. */
  readonly receivedMs: number
  /** From heal to every second tick. */
  readonly tickedMs: number
  /** The longest time in which sends were without an answer and none came, of those that overlap it. */
  readonly sendWaitMs: number
  /** The longest wait for a Welcome, or a refusal. */
  readonly welcomeWaitMs: number
}

interface Settled {
  readonly sentAt: number
  readonly receivedAt: number
  readonly tickedAt: number
}

export function recoveries(
  run: readonly RunEvent[],
  messages: Iterable<MessageAccount>,
  devices: DevicesByAccount,
): Recovery[] {
  const settled = [...messages].flatMap((message) => {
    return message.storedAt === undefined ? [] : [settle(message, devices)]
  })
  const waits = [...devices.values()].flat().flatMap(({ history }) => {
    return history.flatMap((event) => (event.at === 'waited' ? [event] : []))
  })
  return faultsOf(run).map((fault) => {
    const before = settled.filter(({ sentAt }) => sentAt < fault.healedAt)
    const latest = (at: (each: Settled) => number) =>
      before.reduce((late, each) => Math.max(late, at(each) - fault.healedAt), 0)
    const during = waits.filter(({ t, ms }) => t > fault.at && t - ms < fault.healedAt)
    const longest = (of: 'send' | 'welcome') =>
      during.reduce((long, { what, ms }) => (what === of ? Math.max(long, ms) : long), 0)
    return {
      ...fault,
      receivedMs: latest(({ receivedAt }) => receivedAt),
      tickedMs: latest(({ tickedAt }) => tickedAt),
      sendWaitMs: longest('send'),
      welcomeWaitMs: longest('welcome'),
    }
  })
}

function settle(message: MessageAccount, devices: DevicesByAccount): Settled {
  const recipients = [...message.to, accountOf(message.sender)].flatMap(
    (account): readonly DeviceAccount[] => devices.get(account) ?? [],
  )
  const kept = recipients.flatMap(({ kept: of, isPresent }) => {
    const at = of.get(message.name)
    return isPresent && at !== undefined ? [at] : []
  })
  const { sentAt } = message
  const receivedAt = kept.reduce((late, at) => Math.max(late, at), sentAt)
  const tickedAt = [...message.delivered.values()].reduce((late, at) => Math.max(late, at), sentAt)
  return { sentAt, receivedAt, tickedAt }
}

function faultsOf(run: readonly RunEvent[]) {
  return run.flatMap((event) => {
    if (event.at !== 'fault') return []
    const { number, name, t } = event
    const healed = run.find((each) => each.at === 'healed' && each.number === number)
    return [{ number, name, at: t, healedAt: healed?.t ?? Infinity }]
  })
}
