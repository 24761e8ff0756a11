// Group commit: while a batch is in flight, what arrives forms the next one. No timers: an idle
// store answers at once, a busy one batches by itself. One batch in flight a process keeps a
// device's sends in the order that they came.

export interface BatchLimits {
  readonly itemsMax: number
  readonly bytesMax: number
  /** What may wait for a batch; beyond it `submit` refuses. */
  readonly queueItemsMax: number
  readonly queueBytesMax: number
}

export interface Batches<I, O> {
  /** The item's outcome; undefined: the queue is full and nothing was begun. */
  submit(item: I, bytes: number): Promise<O> | undefined
  /** Resolves once nothing is waiting or in flight. */
  idle(): Promise<void>
}

interface Waiting<I, O> {
  readonly item: I
  readonly bytes: number
  readonly resolve: (outcome: O | Promise<O>) => void
}

export interface BatchWork<I, O> {
  /** Gets the items of a batch in the order they came and returns their outcomes in that order. */
  readonly run: (items: readonly I[]) => Promise<readonly O[]>
  /** Whether one item may have failed the batch: then each is run by itself. */
  readonly isOfOneItem: (error: unknown) => boolean
  /** The outcome of an item whose batch has failed. */
  readonly failed: (item: I, error: unknown) => O
}

export function createBatches<I, O>(
  limits: BatchLimits,
  { run, isOfOneItem, failed }: BatchWork<I, O>,
): Batches<I, O> {
  let queue: Waiting<I, O>[] = []
  let queueBytes = 0
  let working: Promise<void> | undefined

  function take(): Waiting<I, O>[] {
    let bytes = 0
    let count = 0
    for (const { bytes: itemBytes } of queue) {
      if (count === limits.itemsMax || (count > 0 && bytes + itemBytes > limits.bytesMax)) break
      bytes += itemBytes
      count += 1
    }
    const batch = queue.slice(0, count)
    queue = queue.slice(count)
    queueBytes -= bytes
    return batch
  }

  async function work(): Promise<void> {
    // Lets what arrives in the same turn of the event loop be one batch.
    await null
    while (queue.length > 0) {
      await finish(take())
    }
    working = undefined
  }

  async function finish(batch: readonly Waiting<I, O>[]): Promise<void> {
    try {
      const outcomes = await run(batch.map((waiting) => waiting.item))
      batch.forEach(({ resolve }, index) => resolve(outcomes[index] as O))
    } catch (error) {
      if (batch.length > 1 && isOfOneItem(error)) {
        for (const waiting of batch) await finish([waiting])
      } else {
        // As a promise: should it throw, it is this item's alone.
        for (const { item, resolve } of batch) {
          resolve(new Promise((settle) => settle(failed(item, error))))
        }
      }
    }
  }

  return {
    submit(item, bytes) {
      if (queue.length >= limits.queueItemsMax || queueBytes + bytes > limits.queueBytesMax) {
        return undefined
      }
      queueBytes += bytes
      const { promise, resolve } = Promise.withResolvers<O>()
      queue.push({ item, bytes, resolve })
      working ??= work()
      return promise
    },
    async idle() {
      while (working !== undefined) await working
    },
  }
}
