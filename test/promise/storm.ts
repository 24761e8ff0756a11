// A process of devices: it registers and connects them all, and says their accounts; told to, it ends
// all connections and dials anew at once, and says when all are there again.

import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type LoadDevice,
  type LoadIdentity,
  open,
  Refused,
  register,
} from '../../bench/load-device.ts'
import { backoffMs } from '../../clients/sdk/src/backoff.ts'

// Devices have processors of their own: here they take what the relay leaves.
setPriority(constants.priority.PRIORITY_LOW)

const AT_ONCE = 32
const TRIES_MAX = 200

const [url = '', count = '0'] = process.argv.slice(2)
const target = { url, token: '' }
const devices: LoadIdentity[] = []
let connections: LoadDevice[] = []

await inGroups(Number(count), async (index) => {
  // A name may be taken by a try without an answer.
  devices[index] = await again((tries) => register(target, `storm-${index}-${tries}`))
})
await inGroups(devices.length, connect)
process.send?.(devices.map(({ address }) => address.accountId))

process.on('message', async () => {
  for (const connection of connections) connection.close()
  connections = []
  await Promise.all(devices.map((_, index) => connect(index)))
  process.send?.([])
})
process.on('disconnect', () => process.exit(0))

async function connect(index: number): Promise<void> {
  const device = devices[index] as LoadIdentity
  connections.push(await again(() => open(target, device, () => undefined)))
}

async function inGroups(total: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let index = next++; index < total; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** As the SDK does it: after as long as it is told, or a pause that grows and is each one's own. */
async function again<T>(work: (tries: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work(tries)
    } catch (error) {
      if (tries === TRIES_MAX) throw error
      const retryAfterMs = error instanceof Refused ? error.retryAfterMs : 0
      await sleep(backoffMs(tries, retryAfterMs, Math.random))
    }
  }
}
