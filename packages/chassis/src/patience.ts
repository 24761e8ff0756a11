// How long what nobody waits for is held back, so that it goes along with what somebody does.

// Nobody sees so little, and at 500 messages/s it is what every second one needs to meet the next.
const PATIENCE_MS = 5

export interface Patience {
  /** Something has gone: the moment begins anew. */
  gone(): void
  /** Whether it is not over yet; once it is, `onOver` is called. */
  lasts(): boolean
  close(): void
}

/** A moment after all that goes, and none where nothing has gone for as long. */
export function createPatience(onOver: () => void): Patience {
  let until = -Infinity
  let timer: NodeJS.Timeout | undefined
  return {
    gone() {
      until = performance.now() + PATIENCE_MS
    },
    lasts() {
      const leftMs = until - performance.now()
      if (leftMs <= 0) return false
      timer ??= setTimeout(() => {
        timer = undefined
        onOver()
      }, leftMs)
      return true
    },
    close() {
      clearTimeout(timer)
    },
  }
}
