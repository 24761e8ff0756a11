// One clock for everything in this process, which stands still until it is moved; and the process's
// sources of chance, seeded. Product code asks the usual globals for the time, for timers and for
// random numbers: `rule` puts these in their place, once, for the life of the process.

import crypto, { webcrypto } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import promised from 'node:timers/promises'
import { createRandom, type Random } from './random.ts'

const BEGIN_MS = 1_700_000_000_000

/** Is its own handle. */
interface Timer {
  at: number
  readonly everyMs: number | undefined
  readonly ring: () => void
  unref(): this
  ref(): this
}

export interface Clock {
  nowMs(): number
  /** Goes on to the next timer and rings it. */
  ringNext(): void
  /** Lets everything happen that waits for no timer: promises, and what was put off for a turn. */
  rest(): Promise<void>
  /** Begins anew: no timer is left, and the same seed gives the same numbers. */
  reset(seed: number): void
}

let nowMs = BEGIN_MS
let timers = new Set<Timer>()
/** Put off until the present turn is over. */
let putOff: (() => void)[] = []
let random: Random = createRandom(0)
let isRuling = false

function begin(ring: () => void, delayMs: number | undefined, everyMs?: number): Timer {
  const at = nowMs + Math.max(1, Math.ceil(delayMs ?? 0))
  const timer: Timer = { at, everyMs, ring, unref: itself, ref: itself }
  timers.add(timer)
  return timer
}

function itself(this: Timer): Timer {
  return this
}

function end(timer: Timer | undefined): void {
  if (timer !== undefined) timers.delete(timer)
}

function next(): Timer | undefined {
  let found: Timer | undefined
  for (const each of timers) if (found === undefined || each.at < found.at) found = each
  return found
}

/** Replaces the process's time and chance; from then on only `ringNext` moves the clock. */
export function rule(): Clock {
  if (!isRuling) replaceGlobals()
  isRuling = true
  return {
    nowMs: () => nowMs,
    ringNext() {
      const timer = next()
      if (timer === undefined) return
      nowMs = Math.max(nowMs, timer.at)
      if (timer.everyMs === undefined) timers.delete(timer)
      else timer.at = nowMs + timer.everyMs
      timer.ring()
    },
    rest,
    reset(seed) {
      nowMs = BEGIN_MS
      timers = new Set()
      putOff = []
      random = createRandom(seed)
    },
  }
}

/**
 * A tick comes when no promise has anything left to do, and costs a twentieth of a turn of the event
 * loop, which asks the system for what nobody here waits for.
 */
async function rest(): Promise<void> {
  await drained()
  while (putOff.length > 0) {
    for (const callback of putOff.splice(0)) callback()
    await drained()
  }
}

function drained(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}

type Callback = (...args: unknown[]) => void

function replaceGlobals(): void {
  const set = (ring: Callback, delayMs?: number, ...args: unknown[]) =>
    begin(() => ring(...args), delayMs)
  const repeat = (ring: Callback, everyMs?: number, ...args: unknown[]) =>
    begin(() => ring(...args), everyMs, Math.max(1, everyMs ?? 0))
  Object.assign(globalThis, {
    ...{ setTimeout: set, setInterval: repeat, clearTimeout: end, clearInterval: end },
    setImmediate: (callback: Callback, ...args: unknown[]) =>
      void putOff.push(() => callback(...args)),
  })
  Date.now = () => nowMs
  performance.now = () => nowMs - BEGIN_MS
  Math.random = () => random.next()
  AbortSignal.timeout = (delayMs) => {
    const abort = new AbortController()
    begin(() => abort.abort(new DOMException('timed out', 'TimeoutError')), delayMs)
    return abort.signal
  }
  const fill = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = random.below(256)
  }
  webcrypto.getRandomValues = (array) => {
    fill(array as unknown as Uint8Array)
    return array
  }
  const randomBytes = (count: number) => {
    const bytes = Buffer.alloc(count)
    fill(bytes)
    return bytes
  }
  Object.assign(crypto, { randomBytes })
  Object.assign(promised, { setTimeout: sleep })
  syncBuiltinESMExports()
}

function sleep<T>(delayMs?: number, value?: T, { signal }: { signal?: AbortSignal } = {}) {
  return new Promise<T | undefined>((resolve, reject) => {
    const fail = () => reject(signal?.reason as Error)
    if (signal?.aborted) return fail()
    const timer = begin(() => {
      signal?.removeEventListener('abort', aborted)
      resolve(value)
    }, delayMs)
    const aborted = () => {
      end(timer)
      fail()
    }
    signal?.addEventListener('abort', aborted, { once: true })
  })
}
