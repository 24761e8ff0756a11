// A sending device: numbers its messages and times their ticks.

import type { Figures } from './figures.ts'
import {
  type LoadDestination,
  type LoadIdentity,
  message,
  open,
  type Target,
} from './load-device.ts'

export interface Sender {
  /** Sends one message; its ticks are timed from `sinceMs` (performance.now()). */
  send(sinceMs?: number): void
  close(): void
}

export interface SenderOptions {
  readonly to: LoadDestination
  readonly payloadBytes: number
  readonly figures: Figures
  /** Accounts that each message is for. */
  readonly recipients: number
  readonly onStored?: (count: number) => void
  /** Every recipient has it. */
  readonly onDelivered?: (sender: Sender) => void
}

interface Waiting {
  readonly sinceMs: number
  recipientsLeft: number
}

export async function openSender(
  target: Target,
  identity: LoadIdentity,
  options: SenderOptions,
): Promise<Sender> {
  const { to, figures, recipients } = options
  const ciphertext = new Uint8Array(options.payloadBytes)
  const waiting = new Map<number, Waiting>()
  let no = 0
  let storedNo = 0

  function stored(lastNo: number) {
    const before = storedNo
    while (storedNo < lastNo) {
      storedNo += 1
      const sent = waiting.get(storedNo)
      if (sent !== undefined) figures.firstTick(sent.sinceMs)
    }
    options.onStored?.(storedNo - before)
  }

  function delivered(which: number) {
    const sent = waiting.get(which)
    if (sent === undefined) return
    sent.recipientsLeft -= 1
    if (sent.recipientsLeft > 0) return
    waiting.delete(which)
    figures.secondTick(sent.sinceMs)
    options.onDelivered?.(sender)
  }

  const device = await open(target, identity, (frame) => {
    if (frame.$case === 'stored') stored(frame.value.lastNo)
    else if (frame.$case === 'delivered') {
      for (const { first, last } of frame.value.nos) {
        // It implies the first tick, which may come after it.
        if (last > storedNo) stored(last)
        for (let which = first; which <= last; which++) delivered(which)
      }
    } else if (frame.$case === 'rejected') {
      throw new Error(`rejected: ${JSON.stringify(frame.value)}`)
    }
  })
  const sender: Sender = {
    send(sinceMs = performance.now()) {
      no += 1
      waiting.set(no, { sinceMs, recipientsLeft: recipients })
      device.send({ $case: 'send', value: message(to, no, ciphertext) })
    },
    close: device.close,
  }
  return sender
}
