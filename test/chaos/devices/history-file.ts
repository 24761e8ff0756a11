// A device's history as a file of JSON lines. Each line is written at once, with one call: what the
// kernel has survives a kill of the process.

import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { DeviceEvent, RunEvent } from '../../ledger/history.ts'

type WithoutTime<E> = E extends unknown ? Omit<E, 't'> : never

export interface History<E> {
  record(event: WithoutTime<E>): void
  close(): void
}

export type DeviceHistory = History<DeviceEvent>

/** The machine's monotonic clock in ms: the same for every process. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}

export function openDeviceHistory(folder: string, key: string): DeviceHistory {
  return openHistory(join(folder, `${key}.jsonl`))
}

export function openRunHistory(folder: string): History<RunEvent> {
  return openHistory(join(folder, 'run.jsonl'))
}

function openHistory<E>(path: string): History<E> {
  const file = openSync(path, 'a')
  return {
    record: (event) => void writeSync(file, `${JSON.stringify({ t: nowMs(), ...event })}\n`),
    close: () => closeSync(file),
  }
}
