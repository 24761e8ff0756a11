// A session's sends without an answer, counted against its own bounds and the gateway's. While there
// are too many, or one of them waits for a place in the gateway's budget, its socket is not read: what
// the device sends meanwhile waits in its own connection. A session without a send that waits is
// always read, so that the clock of what a device waits for (patience.ts) runs here.

import type { Budget } from './budget.ts'
import { type LaneSend, passageOf } from './lane.ts'

export interface SendQueue {
  /** In the order of the sends. */
  readonly lane: readonly LaneSend[]
  /** False: the gateway has no memory for it. */
  enter(one: LaneSend): boolean
  /** The oldest one was answered. */
  leave(): void
  clear(): void
  /** Resolves when there is none. */
  empty(): Promise<void>
}

export interface SendBounds {
  readonly sendsMax: number
  readonly sendBytesMax: number
  /** The whole gateway's. */
  readonly budget: Budget
}

interface SendQueueParts {
  /** It has its place. */
  passOn(one: LaneSend): void
  pause(): void
  resume(): void
}

export function createSendQueue(
  { sendsMax, sendBytesMax, budget }: SendBounds,
  { passOn, pause, resume }: SendQueueParts,
): SendQueue {
  const lane: LaneSend[] = []
  const waiting: (() => void)[] = []
  let bytesInLane = 0
  let heldCount = 0
  let isPaused = false

  const waiter = {
    pass() {
      const oldest = lane.find(({ state }) => state.at === 'held')
      if (oldest === undefined)
        throw new Error('a place was given to a session that waits for none')
      heldCount--
      if (heldCount > 0) budget.whenPlace(waiter)
      passOn(oldest)
      read()
    },
  }

  function read() {
    const isFull = lane.length >= sendsMax || bytesInLane >= sendBytesMax
    const isToPause = isFull || heldCount > 0
    if (isToPause === isPaused) return
    isPaused = isToPause
    if (isPaused) pause()
    else resume()
  }

  function leave(isAnswered: boolean) {
    const oldest = lane.shift()
    // Cleared meanwhile: an answer may have ended the session.
    if (oldest === undefined) return
    bytesInLane -= oldest.bytes
    budget.leave(oldest.bytes, passageOf(oldest, isAnswered))
    read()
    if (lane.length === 0) for (const resolve of waiting.splice(0)) resolve()
  }

  return {
    lane,
    enter(one) {
      if (!budget.enter(one.bytes)) return false
      lane.push(one)
      bytesInLane += one.bytes
      if (one.state.at === 'held') {
        if (heldCount === 0 && budget.pass()) passOn(one)
        else {
          heldCount++
          budget.whenPlace(waiter)
        }
      }
      read()
      return true
    },
    leave: () => leave(true),
    clear() {
      budget.forget(waiter)
      heldCount = 0
      while (lane.length > 0) leave(false)
    },
    async empty() {
      if (lane.length > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}
