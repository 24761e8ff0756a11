// The store's commands, each with what it stands on.

import { type Logger, postgresFailure } from '@twotick/chassis'
import type { DeviceAddress } from '@twotick/protocol'
import type { AckWrite, Append, FetchRequest } from '@twotick/protocol/services'
import { RefusalCode } from '@twotick/protocol'
import { createBatches } from './batch.ts'
import type { Config } from './config.ts'
import { addDevice, createMailbox } from './devices.ts'
import type { Ring } from './doorbell.ts'
import { fetchEntries } from './fetch.ts'
import { getHeads } from './heads.ts'
import { refused, unknown } from './outcome.ts'
import type { Sealer } from './sealed.ts'
import { parseAck, parseAppend } from './sending.ts'
import { openSession } from './session.ts'
import { type Database, withQueries } from './transaction.ts'
import { type Write, writeBatch, type Written } from './write.ts'

const UNKNOWN_RETRY_MS = 200
const ITEM_BYTES = 256

export interface StoreDeps {
  readonly db: Database
  readonly sealer: Sealer
  readonly ring: Ring
  readonly log: Logger
}

export type Store = ReturnType<typeof createStore>

export function createStore(deps: StoreDeps, config: Config) {
  const { db, sealer, log } = deps
  const rules = { quota: config.mailbox, seal: sealer.seal }
  const limits = {
    ...config.batch,
    queueItemsMax: config.queue.itemsMax,
    queueBytesMax: config.queue.bytesMax,
  }
  const batches = createBatches<Write, Written>(limits, (batch) =>
    writeBatch({ ...deps, rules }, batch),
  )

  /** What cannot be known has the caller's epoch: it is about the caller's own request. */
  async function settled(write: Write, bytes: number): Promise<Written> {
    const { epoch } = write
    try {
      const written = await batches.submit(write, bytes)
      return written ?? { epoch, outcome: unknown(UNKNOWN_RETRY_MS) }
    } catch (error) {
      const isFailure = postgresFailure(error) !== undefined
      log[isFailure ? 'warn' : 'error']({ error }, 'a write has an unknown outcome')
      return { epoch, outcome: unknown(UNKNOWN_RETRY_MS) }
    }
  }

  return {
    epoch: () => withQueries(db, async (queries) => queries.epoch),
    append(epoch: string, append: Append): Promise<Written> {
      const sending = parseAppend(append, sealer)
      if (sending === undefined) return Promise.resolve({ epoch, outcome: MALFORMED })
      const bytes = [...sending.copies.values()].reduce(
        (sum, copy) => sum + copy.sealed.length,
        sending.ownBytesMax,
      )
      return settled({ kind: 'append', epoch, sending }, bytes)
    },
    ack(epoch: string, write: AckWrite): Promise<Written> {
      const ack = parseAck(write)
      if (ack === undefined) return Promise.resolve({ epoch, outcome: MALFORMED })
      return settled({ kind: 'ack', epoch, ack }, ITEM_BYTES)
    },
    openSession: (device: DeviceAddress, epoch: string) => openSession(db, device, epoch),
    fetch: (device: DeviceAddress, request: FetchRequest) =>
      fetchEntries({ db, sealer }, device, request),
    heads: (devices: readonly DeviceAddress[], epoch: string) => getHeads(db, devices, epoch),
    createMailbox: (device: DeviceAddress, epoch: string) => createMailbox(db, device, epoch),
    addDevice: (device: DeviceAddress, epoch: string) => addDevice(db, device, epoch),
    idle: () => batches.idle(),
  }
}

const MALFORMED = refused(RefusalCode.MALFORMED, 'a field is missing or out of its bounds')
