// What became of messages that earlier commands have sent. The device hears of it while it is open for
// whatever command, and only once: so every command says it.

import type { Device, DeviceEvents } from '@twotick/sdk'
import { createNames } from './names.ts'
import { reason } from './notice-text.ts'
import { refusalText } from './refusal-text.ts'

export interface FatesOptions {
  /** Numbers of messages of which the command says itself what becomes of them. */
  readonly own: ReadonlySet<number>
  readonly tell: (text: string) => void
}

/** Tells of each message that somebody will not get; resolves, when called, once all is told. */
export function tellOfFates(device: Device, { own, tell }: FatesOptions): () => Promise<void> {
  const names = createNames(device)
  const telling = new Set<Promise<void>>()

  async function sayDone({ no, undelivered }: DeviceEvents['done']) {
    const who = await Promise.all(undelivered.map(({ accountId }) => names.of(accountId)))
    tell(
      `Your message ${no} was not delivered to ${who.join(', ')}${reason(undelivered[0]?.kind)}.`,
    )
  }

  device.on('done', (done) => {
    if (done.undelivered.length === 0 || own.has(done.no)) return
    const told = sayDone(done).finally(() => telling.delete(told))
    telling.add(told)
  })
  device.on('rejected', ({ no, error }) => {
    if (!own.has(no)) tell(`Your message ${no} was not sent: ${refusalText(error)}`)
  })
  return async () => {
    await Promise.allSettled(telling)
  }
}
