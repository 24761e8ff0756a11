// A device's storage, with its history written along: what is about to be sent before it is durable,
// what has arrived right after it is. A crash point can be set before or after a commit, where a
// crash is most likely to find a device that acks too early or forgets.

import { addressKey } from '@twotick/protocol'
import type { Change, Message, OutgoingMessage, Storage } from '@twotick/sdk'
import type { MessageName } from '../../ledger/history.ts'
import { idOf } from './body.ts'
import type { DeviceHistory } from './history-file.ts'

const ROWS_MAX = 100_000

export interface ObservedStorageOptions {
  readonly storage: Storage
  readonly history: DeviceHistory
  /** So many messages are durable. */
  readonly onKept: (count: number) => void
  /** Called around each commit that changes more than ticks; may never return. */
  readonly crashPoint?: (when: 'before' | 'after') => void
}

export function observedStorage(options: ObservedStorageOptions): Storage {
  const { storage, history, onKept, crashPoint } = options
  return {
    read: (table, key) => storage.read(table, key),
    list: (table, afterKey, limit) => storage.list(table, afterKey, limit),
    async commit(changes) {
      const bodies = changes.filter(isPut('body'))
      for (const { key, value } of bodies) {
        const sent = changes.filter(isPut('attempt')).find((attempt) => attempt.key === key)
        if (sent === undefined) continue
        const { no, accounts: to } = sent.value
        history.record({ at: 'send', no, id: idOf(value), to })
      }
      for (const { value } of changes.filter(isPut('attempt'))) {
        if (value.messageNo !== value.no) history.record({ at: 'again', no: value.messageNo })
      }
      crashPoint?.('before')
      await storage.commit(changes)
      const of = changes.filter(isPut('inbox')).map(({ value }) => kept(value))
      if (of.length > 0) history.record({ at: 'kept', of })
      onKept(of.length)
      crashPoint?.('after')
    },
  }
}

type Put<T extends Change['table']> = Change<T> & { value: NonNullable<Change<T>['value']> }

function isPut<T extends Change['table']>(table: T) {
  return (change: Change): change is Put<T> => change.table === table && change.value !== undefined
}

function kept(message: Message): readonly [MessageName, string] {
  return [nameOf(message), idOf(message.body)]
}

export function nameOf({ sender, no }: Message): MessageName {
  return `${addressKey(sender)}#${no}`
}

/**
 * Writes what the storage holds of an earlier process, which may have died before it could. Returns
 * how many messages wait for the application.
 */
export async function recordFound(storage: Storage, history: DeviceHistory): Promise<number> {
  const inbox = await storage.list('inbox', '', ROWS_MAX)
  const messages = (await storage.list('message', '', ROWS_MAX)).map(({ value }) => value)
  history.record({
    at: 'found',
    waiting: inbox.map(({ value }) => kept(value)),
    stored: messages.filter(({ storedAtMs }) => storedAtMs !== undefined).map(({ no }) => no),
    delivered: reachedBy(messages, 'delivered'),
    closed: reachedBy(messages, 'closed'),
  })
  return inbox.length
}

function reachedBy(messages: readonly OutgoingMessage[], end: 'delivered' | 'closed') {
  return messages.flatMap(({ no, reach }) =>
    Object.entries(reach).flatMap(([account, { at }]) =>
      at === end ? [[no, account] as const] : [],
    ),
  )
}
