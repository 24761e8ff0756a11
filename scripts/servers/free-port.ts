// A free port of loopback for a server that cannot choose one itself and must keep it over restarts.

import { createServer, type AddressInfo } from 'node:net'
import type { ServerProcess } from './launch.ts'

const TRIES_MAX = 5

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', resolve)
  })
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** Starts a server on a free port, on another one if that was taken in between. */
export async function onFreePort(
  scheme: 'nats' | 'redis',
  start: (port: number) => Promise<ServerProcess>,
): Promise<ServerProcess & { readonly url: string }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    try {
      return Object.assign(await start(port), { url: `${scheme}://127.0.0.1:${port}` })
    } catch (error) {
      if (attempt === TRIES_MAX || !/address already in use/i.test(String(error))) throw error
    }
  }
}
