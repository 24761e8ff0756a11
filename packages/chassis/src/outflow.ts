// How much of what was published NATS has not taken yet. The library buffers without bound for a
// server that reads slowly or not at all, so bytes are counted, and a flush (one at a time) says
// up to where the server has come.

const FLUSH_AFTER_BYTES = 262_144

export interface Outflow {
  /** Counts a message in; false at the bound: it is to be dropped. */
  admit(bytes: number, connection: { flush(): Promise<void> }): boolean
  /** The connection is a new one: nothing is pending on it. */
  reset(): void
}

export function createOutflow(pendingBytesMax: number): Outflow {
  // Replaced as a whole by `reset`, so that a flush of the lost connection changes nothing here.
  let pending = { bytes: 0, isFlushing: false }

  async function flush(connection: { flush(): Promise<void> }) {
    const now = pending
    if (now.isFlushing || now.bytes < Math.min(FLUSH_AFTER_BYTES, pendingBytesMax / 2)) return
    now.isFlushing = true
    const flushedBytes = now.bytes
    const isTaken = await connection.flush().then(
      () => true,
      () => false,
    )
    now.isFlushing = false
    if (isTaken) now.bytes -= flushedBytes
  }

  return {
    admit(bytes, connection) {
      const isAdmitted = pending.bytes + bytes <= pendingBytesMax
      if (isAdmitted) pending.bytes += bytes
      void flush(connection)
      return isAdmitted
    },
    reset() {
      pending = { bytes: 0, isFlushing: false }
    },
  }
}
