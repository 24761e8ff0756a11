// All devices of a run, as faults reach them: processes that hold one device or many.

export interface Fleet {
  /** kill -9 of this many of the processes whose devices are meant to crash; each starts again. */
  crash(count: number): Promise<void>
  /** Every device ends its connection and dials again, at once. */
  reconnect(): void
}
