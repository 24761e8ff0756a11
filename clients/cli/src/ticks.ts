// A message on its way, as a chat shows it.

import { RefusedError, StoppedError, type To } from '@twotick/sdk'
import { reason } from './notice-text.ts'
import type { Opened } from './open.ts'

export type Tick =
  | { readonly at: 'kept' }
  | { readonly at: 'stored' }
  | { readonly at: 'delivered' }
  | { readonly at: 'failed'; readonly error?: RefusedError; readonly reason: string }

/**
 * Sends, and tells of each tick; a second tick of a group is everybody's. Resolves with the first
 * tick, or with why there can be none.
 */
export async function sendWithTicks(
  { device, own }: Pick<Opened, 'device' | 'own'>,
  { to, text }: { to: To; text: string },
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
    const sent = await device.send({ to, body: new TextEncoder().encode(text) })
    own.add(sent.no)
    sent.delivered.then(({ undelivered: [first] }) => {
      if (first === undefined) move({ at: 'delivered' })
      else move({ at: 'failed', reason: `Not delivered${reason(first.kind)}.` })
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
