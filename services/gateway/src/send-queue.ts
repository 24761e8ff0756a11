// A session's sends without an answer, counted against its own bounds and the gateway's. While there
// are too many its socket is not read: what the device sends meanwhile waits in its own connection.

import type { Budget } from './budget.ts'
import type { LaneSend } from './lane.ts'

export interface SendQueue {
  /** In the order of the sends. */
  readonly lane: readonly LaneSend[]
  enter(one: LaneSend): void
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
  pause(): void
  resume(): void
  /** The session has waited in vain for room in the gateway's budget: nobody is answered. */
  stalled(): void
}

export function createSendQueue(
  { sendsMax, sendBytesMax, budget }: SendBounds,
  { pause, resume, stalled }: SendQueueParts,
): SendQueue {
  const lane: LaneSend[] = []
  const waiting: (() => void)[] = []
  let bytesInLane = 0
  let isPaused = false
  const isFull = () => lane.length >= sendsMax || bytesInLane >= sendBytesMax

  const waiter = { resume: resumeIfRoom, fail: () => isPaused && stalled() }

  function resumeIfRoom() {
    if (!isPaused || isFull()) return
    if (budget.isSpent()) return budget.whenRoom(waiter)
    isPaused = false
    resume()
  }

  function leave(isAnswered: boolean) {
    const oldest = lane.shift()
    // Cleared meanwhile: an answer may have ended the session.
    if (oldest === undefined) return
    const { bytes, since } = oldest
    bytesInLane -= bytes
    budget.giveBack(bytes, performance.now() - since, isAnswered)
    resumeIfRoom()
    if (lane.length === 0) for (const resolve of waiting.splice(0)) resolve()
  }

  return {
    lane,
    enter(one) {
      lane.push(one)
      bytesInLane += one.bytes
      budget.take(one.bytes)
      if (isPaused || (!isFull() && !budget.isSpent())) return
      isPaused = true
      pause()
      if (!isFull()) budget.whenRoom(waiter)
    },
    leave: () => leave(true),
    clear() {
      while (lane.length > 0) leave(false)
    },
    async empty() {
      if (lane.length > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}
