// What has arrived while a batch is being handled: the next batch. Bounded in bytes. Beyond the
// bound the oldest half goes, in one step: nothing depends on a doorbell, and the newest are the
// ones worth ringing.

export interface Message {
  readonly subject: string
  readonly data: Uint8Array
}

/** What a message costs besides its data, so that a flood of empty ones is bounded as well. */
const OVERHEAD_BYTES = 256

export interface Pending {
  /** Adds a message; returns how many had to go for it, 0 nearly always. */
  push(message: Message): number
  /** Takes the oldest up to so many bytes, at least one if there is one. */
  take(bytesMax: number): Message[]
  /** Resolves as soon as there is a message; at once if there is one. */
  filled(): Promise<void>
  /** Resolves whoever waits in `filled`, for another reason. */
  wake(): void
  isEmpty(): boolean
}

export function createPending(bytesMax: number): Pending {
  let messages: Message[] = []
  let bytes = 0
  let resume: (() => void) | undefined

  function takeFirst(upToBytes: number): Message[] {
    let count = 0
    let taken = 0
    for (const message of messages) {
      const cost = costOf(message)
      if (count > 0 && taken + cost > upToBytes) break
      taken += cost
      count += 1
    }
    const first = messages.slice(0, count)
    messages = messages.slice(count)
    bytes -= taken
    return first
  }

  function wake(): void {
    resume?.()
    resume = undefined
  }

  return {
    push(message) {
      messages.push(message)
      bytes += costOf(message)
      wake()
      return bytes > bytesMax ? takeFirst(Math.ceil(bytes / 2)).length : 0
    },
    take: takeFirst,
    filled() {
      if (messages.length > 0) return Promise.resolve()
      return new Promise((resolve) => {
        resume = resolve
      })
    },
    wake,
    isEmpty: () => messages.length === 0,
  }
}

function costOf({ data }: Message): number {
  return data.length + OVERHEAD_BYTES
}
