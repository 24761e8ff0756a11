// What a service's process cannot let go: its heap after a full collection, and what hangs on it. What
// it has resident is no measure of that: V8 keeps pages that it has used (250 MiB, of which 20 lived).

import { readFileSync } from 'node:fs'

/** In a service's environment: it can be asked for its live memory. On loopback, any free port. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

const ANSWER_MS = 10_000

/** Bytes. The address to ask at is what the process has written to its log when it started. */
export async function liveMemory(logFile: string): Promise<number> {
  const log = readFileSync(logFile, 'utf8')
  const url = [...log.matchAll(/^Debugger listening on (ws:\S+)$/gm)].at(-1)?.[1]
  if (url === undefined) throw new Error(`${logFile}: no inspector was started`)
  const socket = new WebSocket(url)
  try {
    await once(socket, 'open')
    await ask(socket, 'HeapProfiler.collectGarbage')
    const expression =
      '{ const { heapUsed, external } = process.memoryUsage(); heapUsed + external }'
    const { result } = await ask(socket, 'Runtime.evaluate', { expression })
    return Number(result?.value)
  } finally {
    socket.close()
  }
}

interface Answer {
  readonly result?: { readonly value: unknown }
}

async function ask(socket: WebSocket, method: string, params = {}): Promise<Answer> {
  const answered = once(socket, 'message')
  socket.send(JSON.stringify({ id: 1, method, params }))
  return (JSON.parse(String(await answered)) as { result: Answer }).result
}

/** One thing at a time is asked, and nothing is sent without. */
function once(socket: WebSocket, kind: 'open' | 'message') {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const fail = () => reject(new Error(`${socket.url}: no answer`))
  const timer = setTimeout(fail, ANSWER_MS)
  socket.addEventListener('error', fail, { once: true })
  socket.addEventListener(kind, (event) => resolve('data' in event && event.data), { once: true })
  return promise.finally(() => clearTimeout(timer))
}
