// How long what nobody waits for is held back, so that it goes along with what somebody waits for
// (docs/decisions/0011-acks-go-along.md).

// Nobody sees so little. At 500 messages/s the next send is 2 ms away.
const DELAY_MS = 5

export interface Delay {
  /** Something has gone: the moment begins anew. */
  gone(): void
  /** Whether it is not over yet; once it is, `onOver` is called. */
  lasts(): boolean
  close(): void
}

/** A moment after whatever goes; where nothing has gone for as long, there is none. */
export function createDelay(onOver: () => void): Delay {
  let until = -Infinity
  let timer: NodeJS.Timeout | undefined
  return {
    gone() {
      until = performance.now() + DELAY_MS
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
