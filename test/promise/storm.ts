// A process of devices: it registers and connects them all, and says their accounts; told to, it ends
// all connections and dials anew at once, and says when all are there again.

import { openRaw, type RawConnection, type RawDevice, registerRaw } from '../raw-device.ts'

const AT_ONCE = 32
const TRIES_MAX = 200

const [url = '', count = '0'] = process.argv.slice(2)
const devices: RawDevice[] = []
let connections: RawConnection[] = []

await inGroups(Number(count), async (index) => {
  devices[index] = await again((tries) => registerRaw(url, `storm-${index}-${tries}`))
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
  connections.push(await again(() => openRaw(devices[index] as RawDevice)))
}

async function inGroups(total: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let index = next++; index < total; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** With a pause that grows, and is each one's own. A name may be taken by a try without an answer. */
async function again<T>(work: (tries: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work(tries)
    } catch (error) {
      if (tries === TRIES_MAX) throw error
      const ms = Math.random() * Math.min(10_000, 500 * 2 ** Math.min(tries, 5))
      await new Promise((resolve) => setTimeout(resolve, ms))
    }
  }
}
