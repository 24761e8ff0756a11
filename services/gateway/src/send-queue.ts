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

export function createSendQueue(
  { sendsMax, sendBytesMax, budget }: SendBounds,
  { pause, resume }: { pause(): void; resume(): void },
): SendQueue {
  const lane: LaneSend[] = []
  const waiting: (() => void)[] = []
  let bytesInLane = 0
  let isPaused = false
  const isFull = () => lane.length >= sendsMax || bytesInLane >= sendBytesMax

  function resumeIfRoom() {
    if (!isPaused || isFull()) return
    if (budget.isSpent()) return budget.whenRoom(resumeIfRoom)
    isPaused = false
    resume()
  }

  function leave() {
    const oldest = lane.shift()
    // Cleared meanwhile: an answer may have ended the session.
    if (oldest === undefined) return
    const { bytes } = oldest
    bytesInLane -= bytes
    budget.giveBack(bytes)
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
      if (!isFull()) budget.whenRoom(resumeIfRoom)
    },
    leave,
    clear() {
      while (lane.length > 0) leave()
    },
    async empty() {
      if (lane.length > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}
