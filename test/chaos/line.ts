// A TCP proxy of our own between two parts: it can delay, throttle, hold and cut what passes. What is
// held is not lost: it passes once the line is healed, as TCP would repeat it. Only a reset loses.

import { connect, createServer, type Socket } from 'node:net'
import { listenOnLoopback } from './listen.ts'

export interface Impairment {
  /** Added to each chunk, in each direction. */
  readonly latencyMs?: number
  readonly bytesPerSecond?: number
  /** Nothing passes in this direction; both: a black hole. */
  readonly holds?: 'up' | 'down' | 'both'
}

export interface Line {
  /** `gateway > nats`: who dials, and whom. */
  readonly name: string
  readonly port: number
  /** Replaces the impairment so far; `undefined` heals. */
  impair(impairment: Impairment | undefined): void
  /** Cuts every connection. */
  reset(): void
  connections(): number
  close(): Promise<void>
}

/** Where to connect: a port of loopback, or a unix socket. */
export type Upstream = { readonly port: number } | { readonly path: string }

export interface LineOptions {
  readonly name: string
  /** Where the next connection goes; undefined: nobody serves, it is refused. */
  readonly upstream: () => Upstream | undefined
}

const HELD_BYTES_MAX = 1024 * 1024

export async function openLine({ name, upstream }: LineOptions): Promise<Line> {
  const pairs = new Set<Pair>()
  let impairment: Impairment = {}
  const server = createServer({ allowHalfOpen: true }, (down) => {
    const where = upstream()
    if (where === undefined) return cut(down)
    const up = connect({ ...where, host: '127.0.0.1', allowHalfOpen: true })
    const pair = createPair(up, down, () => impairment)
    pairs.add(pair)
    const forget = () => up.destroyed && down.destroyed && pairs.delete(pair)
    up.once('close', forget)
    down.once('close', forget)
  })
  const port = await listenOnLoopback(server)
  return {
    name,
    port,
    impair(next) {
      impairment = next ?? {}
      for (const pair of pairs) pair.flush()
    },
    reset: () => pairs.forEach((pair) => pair.reset()),
    connections: () => pairs.size,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const pair of pairs) pair.reset()
      await closed
    },
  }
}

interface Pair {
  flush(): void
  reset(): void
}

function createPair(up: Socket, down: Socket, impairment: () => Impairment): Pair {
  up.setNoDelay()
  down.setNoDelay()
  const isHeld = (direction: 'up' | 'down') => {
    const { holds } = impairment()
    return holds === 'both' || holds === direction
  }
  const upward = createPipe(down, up, { impairment, isHeld: () => isHeld('up') })
  const downward = createPipe(up, down, { impairment, isHeld: () => isHeld('down') })
  const end = () => {
    up.destroy()
    down.destroy()
  }
  for (const socket of [up, down]) {
    // An end by reset is passed on as one; an orderly one comes as 'end', through the pipe.
    socket.on('error', () => {
      cut(up)
      cut(down)
    })
    socket.on('close', () => !isHeld('up') && !isHeld('down') && end())
  }
  return {
    flush() {
      upward()
      downward()
      if ((up.destroyed || down.destroyed) && !isHeld('up') && !isHeld('down')) end()
    },
    reset() {
      cut(up)
      cut(down)
    },
  }
}

/**
 * By a reset; a unix socket knows none, and one whose end is just going out takes none: Node would
 * leave it open for ever, and not end either.
 */
function cut(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished
  if (isEnding || socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

interface Gate {
  readonly impairment: () => Impairment
  readonly isHeld: () => boolean
}

/** One direction: chunks wait until they are due and the gate is open. Returns what looks again. */
function createPipe(from: Socket, to: Socket, { impairment, isHeld }: Gate): () => void {
  const waiting: { readonly chunk: Buffer | 'end'; readonly dueMs: number }[] = []
  let waitingBytes = 0
  let freeAtMs = 0
  let timer: NodeJS.Timeout | undefined

  function add(chunk: Buffer | 'end'): void {
    const { latencyMs = 0, bytesPerSecond } = impairment()
    const nowMs = performance.now()
    if (bytesPerSecond !== undefined && chunk !== 'end') {
      freeAtMs = Math.max(freeAtMs, nowMs) + (chunk.length / bytesPerSecond) * 1_000
    }
    waiting.push({ chunk, dueMs: Math.max(nowMs + latencyMs, freeAtMs) })
    if (chunk !== 'end') waitingBytes += chunk.length
    flush()
  }

  function flush(): void {
    clearTimeout(timer)
    while (!isHeld() && !to.writableNeedDrain) {
      const next = waiting[0]
      if (next === undefined) break
      const lateMs = next.dueMs - performance.now()
      if (lateMs > 0) {
        timer = setTimeout(flush, lateMs)
        break
      }
      waiting.shift()
      if (next.chunk === 'end') to.end()
      else {
        waitingBytes -= next.chunk.length
        if (to.writable) to.write(next.chunk)
      }
    }
    if (waitingBytes > HELD_BYTES_MAX) from.pause()
    else from.resume()
  }

  from.on('data', add)
  from.on('end', () => add('end'))
  to.on('drain', flush)
  return flush
}
