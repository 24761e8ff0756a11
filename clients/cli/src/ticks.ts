// A message on its way, as a chat shows it.

import { RefusedError, StoppedError, type To } from '@twotick/sdk'
import { because } from './notice-text.ts'
import type { Opened } from './open.ts'

export type Tick =
  | { readonly at: 'kept' }
  | { readonly at: 'stored' }
  | { readonly at: 'delivered' }
  | { readonly at: 'failed'; readonly error?: RefusedError; readonly reason: string }

/** A text, or a message that was rejected. */
export type Sending = { readonly text: string } | { readonly again: number }

/**
 * Sends, and tells of each tick; a second tick of a group is everybody's. Resolves with the first
 * tick, or with why there can be none.
 */
export async function sendWithTicks(
  { device, own }: Pick<Opened, 'device' | 'own'>,
  { to, ...sending }: { to: To } & Sending,
  tell: (tick: Tick) => void,
): Promise<Tick> {
  let last: Tick = { at: 'kept' }
  const move = (tick: Tick) => {
    // A second tick may come before the first, and implies it.
    if (last.at === 'delivered' || last.at === 'failed') return
    last = tick
    tell(tick)
  }
  try {
    const sent =
      'again' in sending
        ? await device.sendAgain(sending.again)
        : await device.send({ to, body: new TextEncoder().encode(sending.text) })
    own.sent.add(sent.no)
    // What some of a group will not get is told when it is known, and not only in the end.
    if ('account' in to) own.awaited.add(sent.no)
    sent.delivered.then(({ undelivered: [first] }) => {
      if (first === undefined) move({ at: 'delivered' })
      else move({ at: 'failed', reason: `Not delivered${because(first.kind)}.` })
    }, ignoreStop)
    await sent.stored
    move({ at: 'stored' })
  } catch (error) {
    if (error instanceof RefusedError) move({ at: 'failed', error, reason: '' })
    else ignoreStop(error)
  }
  return last
}

/** When the device stops the message stays in its outbox; the stop itself is told elsewhere. */
function ignoreStop(error: unknown): void {
  if (error instanceof StoppedError || error instanceof RefusedError) return
  throw error
}
