// What became of messages that earlier commands have sent. The device hears of it while it is open for
// whatever command, and only once: so every command says it.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Device, DeviceEvents } from '@twotick/sdk'
import { createNames } from './names.ts'
import { reason } from './notice-text.ts'
import { refusalText } from './refusal-text.ts'

/** They come one by one: so long is waited for more that are told in the same line. */
const TOGETHER_MS = 50

/** Numbers of messages of which the command itself says something. */
export interface OwnMessages {
  /** That they were refused. */
  readonly sent: Set<number>
  /** That somebody will not get them. */
  readonly awaited: Set<number>
}

/** Messages that the same people will not get, as a script is told. */
export interface Fate {
  readonly delivered: false
  readonly messages: readonly number[]
  /** Handles, or the beginning of the id of an account that is gone. Nobody: it was refused. */
  readonly to: readonly string[]
  readonly why: string
}

export function fateText({ messages, to, why }: Fate): string {
  const [first, ...others] = messages
  const those = others.length === 0 ? `message ${first} was` : `messages ${ranges(messages)} were`
  return to.length === 0
    ? `Your ${those} not sent: ${why}`
    : `Your ${those} not delivered to ${to.join(', ')}${why === '' ? '' : `: ${why}`}.`
}

/** `1-3, 7` */
function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = []
  for (const number of numbers) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === number - 1) last[1] = number
    else runs.push([number, number])
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}

type Undelivered = DeviceEvents['undelivered']

/** Tells of each message that somebody will not get; resolves, when called, once all is told. */
export function tellOfFates(
  device: Device,
  { sent, awaited }: OwnMessages,
  tell: (fate: Fate) => void,
): () => Promise<void> {
  const names = createNames(device)
  const heard: Undelivered[] = []
  let telling: Promise<void> | undefined

  async function tellHeard() {
    while (heard.length > 0) {
      await sleep(TOGETHER_MS)
      for (const { messages, accountIds, kind } of alike(heard.splice(0))) {
        const to = await Promise.all(accountIds.map((accountId) => names.of(accountId)))
        tell({ delivered: false, messages, to, why: reason(kind) })
      }
    }
    telling = undefined
  }

  device.on('undelivered', (one) => {
    if (awaited.has(one.no)) return
    heard.push(one)
    telling ??= tellHeard()
  })
  device.on('rejected', ({ no, error }) => {
    if (!sent.has(no)) tell({ delivered: false, messages: [no], to: [], why: refusalText(error) })
  })
  return async () => telling
}

/** Messages that the same accounts will not get, for the same reason. */
function alike(heard: readonly Undelivered[]) {
  const byMessage = Map.groupBy(heard, ({ no, kind }) => `${no} ${kind}`)
  const messages = [...byMessage.values()].map((some) => ({
    no: some[0]?.no ?? 0,
    kind: some[0]?.kind,
    accountIds: some.map(({ accountId }) => accountId).sort(),
  }))
  const byReason = Map.groupBy(messages, ({ kind, accountIds }) => `${kind} ${accountIds.join()}`)
  return [...byReason.values()].map((some) => ({
    messages: some.map(({ no }) => no).sort((a, b) => a - b),
    accountIds: some[0]?.accountIds ?? [],
    kind: some[0]?.kind,
  }))
}
