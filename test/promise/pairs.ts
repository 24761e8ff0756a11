// Pairs of devices that talk at a steady pace, and how long a message takes from one to the other. They
// are the neighbours of whatever happens to somebody else's mailbox.

import { setTimeout as sleep } from 'node:timers/promises'
import { openRaw, type RawConnection, registerRaw, sendTo } from '../raw-device.ts'

export interface Pairs {
  /** From each send to its arrival, in ms, of those that arrived since the last call. */
  takeLatencies(): number[]
  /** Sends that have not arrived. */
  waiting(): number
  stop(): Promise<void>
}

/** Sender and recipient at different gateways, where there are several. */
export async function openPairs(
  urls: readonly string[],
  count: number,
  everyMs: number,
): Promise<Pairs> {
  const stopping = new AbortController()
  const sentAt = new Map<string, number>()
  let latencies: number[] = []

  function arrived(text: string): void {
    const since = sentAt.get(text)
    if (since === undefined) return
    sentAt.delete(text)
    latencies.push(performance.now() - since)
  }

  async function talk(pair: number): Promise<void> {
    const urlOf = (device: number) => urls[device % urls.length] ?? ''
    const from = await registerRaw(urlOf(pair), `neighbour-${pair}-from`)
    const to = await registerRaw(urlOf(pair + 1), `neighbour-${pair}-to`)
    const hearer = await openRaw(to, (frame, connection) => hear(frame, connection, arrived))
    const sender = await openRaw(from)
    let no = sender.welcome.sentNo
    void (async () => {
      while (!stopping.signal.aborted) {
        await sleep(everyMs * 2 * Math.random())
        const send = sendTo(to.address.accountId, no + 1, no)
        no += 1
        const text = `${pair} ${no}`
        sentAt.set(text, performance.now())
        sender.send({
          $case: 'send',
          value: { ...send, ciphertext: new TextEncoder().encode(text) },
        })
      }
      sender.close()
      hearer.close()
    })()
  }

  await Promise.all(Array.from({ length: count }, (_, pair) => talk(pair)))
  return {
    takeLatencies: () => {
      const taken = latencies
      latencies = []
      return taken
    },
    waiting: () => sentAt.size,
    async stop() {
      stopping.abort()
      await sleep(everyMs * 2)
    },
  }
}

/** Takes what is delivered and acknowledges it. */
export function hear(
  frame: RawConnection['frames'][number],
  connection: RawConnection,
  arrived: (text: string) => void,
): void {
  if (frame.$case !== 'deliver') return
  for (const { content } of frame.value.entries) {
    if (content?.$case === 'envelope') arrived(new TextDecoder().decode(content.value.ciphertext))
  }
  const seq = frame.value.entries.at(-1)?.seq ?? 0
  connection.send({ $case: 'ack', value: { seq, failed: [] } })
}
