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

/** What an open sender does on its connection, and hears from it. */
export interface Line {
  put(no: number): void
  close(): void
}

export interface Ticks {
  /** Everything up to this number has its first tick. */
  stored(lastNo: number): void
  /** One more recipient has this message. */
  delivered(no: number): void
}

/** Numbers messages and times their ticks, whatever they are sent through. */
export function createSender(
  { figures, recipients, onStored, onDelivered }: Omit<SenderOptions, 'to' | 'payloadBytes'>,
  line: () => Line,
): Sender & Ticks {
  const waiting = new Map<number, Waiting>()
  let sentNo = 0
  let storedNo = 0
  const sender = {
    send(sinceMs = performance.now()) {
      sentNo += 1
      waiting.set(sentNo, { sinceMs, recipientsLeft: recipients })
      line().put(sentNo)
    },
    stored(lastNo: number) {
      const before = storedNo
      while (storedNo < lastNo) {
        storedNo += 1
        const sent = waiting.get(storedNo)
        if (sent !== undefined) figures.firstTick(sent.sinceMs)
      }
      if (storedNo > before) onStored?.(storedNo - before)
    },
    delivered(no: number) {
      const sent = waiting.get(no)
      if (sent === undefined) return
      sent.recipientsLeft -= 1
      if (sent.recipientsLeft > 0) return
      waiting.delete(no)
      figures.secondTick(sent.sinceMs)
      onDelivered?.(sender)
    },
    close: () => line().close(),
  }
  return sender
}

export async function openSender(
  target: Target,
  identity: LoadIdentity,
  options: SenderOptions,
): Promise<Sender> {
  const { to, payloadBytes } = options
  const ciphertext = new Uint8Array(payloadBytes)
  const sender = createSender(options, () => ({
    put: (no) => device.send({ $case: 'send', value: message(to, no, ciphertext) }),
    close: device.close,
  }))
  const device = await open(target, identity, (frame) => {
    if (frame.$case === 'stored') sender.stored(frame.value.lastNo)
    else if (frame.$case === 'delivered') {
      for (const { first, last } of frame.value.nos) {
        sender.stored(last) // the second tick implies the first, which may come after it
        for (let which = first; which <= last; which++) sender.delivered(which)
      }
    } else if (frame.$case === 'rejected') {
      throw new Error(`rejected: ${JSON.stringify(frame.value)}`)
    }
  })
  return sender
}
