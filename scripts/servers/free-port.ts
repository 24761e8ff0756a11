// A free port of loopback for a server that cannot choose one itself and must keep it over restarts.

import { createServer } from 'node:net'
import type { ServerProcess } from './launch.ts'

const TRIES_MAX = 5

// Below the ports that kernels give to outgoing connections and to whoever asks for any port: one of
// those, free a moment ago, is taken by somebody's connection before the server listens.
const FIRST_PORT = 20_000
const PORTS = 12_000

// Processes that look for ports together begin far from one another, and none gives a port twice.
const PORTS_OF_A_PROCESS = 60
let next = process.pid * PORTS_OF_A_PROCESS

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (let attempt = 1; attempt <= PORTS; attempt += 1) {
    const port = FIRST_PORT + (next++ % PORTS)
    if (await isFree(port)) return port
  }
  throw new Error(`no port of 127.0.0.1 from ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} is free`)
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  const isListening = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => resolve(true))
  })
  if (isListening) await new Promise((resolve) => probe.close(resolve))
  return isListening
}

/** Starts a server on a free port, on another one if that was taken in between. */
export async function onFreePort(
  scheme: 'nats' | 'redis' | 'mqtt',
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
