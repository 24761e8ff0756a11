// What all sessions together may have without an answer. A session that meets the bound waits, its
// socket unread, until others have got theirs.

export interface Budget {
  take(bytes: number): void
  giveBack(bytes: number): void
  isSpent(): boolean
  /** Calls once there is room again, in the order of asking. */
  whenRoom(resume: () => void): void
}

export function createBudget({
  countMax,
  bytesMax,
}: {
  countMax: number
  bytesMax: number
}): Budget {
  let count = 0
  let bytesTaken = 0
  const waiting = new Set<() => void>()
  const isSpent = () => count >= countMax || bytesTaken >= bytesMax

  return {
    take(bytes) {
      count++
      bytesTaken += bytes
    },
    giveBack(bytes) {
      count--
      bytesTaken -= bytes
      for (const resume of waiting) {
        if (isSpent()) return
        waiting.delete(resume)
        resume()
      }
    },
    isSpent,
    whenRoom(resume) {
      waiting.add(resume)
    },
  }
}
