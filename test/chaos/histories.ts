// Reads a run's histories back.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DeviceEvent, type Histories, parseHistory, type RunEvent } from '../ledger/history.ts'

const RUN = 'run.jsonl'

export function readHistories(folder: string): Histories {
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  const devices = readdirSync(folder).filter((name) => name !== RUN)
  return {
    run: parseHistory<RunEvent>(read(RUN)),
    devices: devices.map((name) => parseHistory<DeviceEvent>(read(name))),
  }
}
