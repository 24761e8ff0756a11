// The store's commands, each with what it stands on.

import { type Logger, logSeldom, postgresFailure } from '@twotick/chassis'
import { type AccountId, type DeviceAddress, RefusalCode } from '@twotick/protocol'
import type {
  AckWrite,
  Append,
  CountWaitingRequest,
  ExpireRequest,
  FetchRequest,
} from '@twotick/protocol/services'
import type { Sending } from './append.ts'
import { createBatches } from './batch.ts'
import type { Config } from './config.ts'
import { deleteMailbox } from './delete-mailbox.ts'
import { addDevice, createMailbox } from './devices.ts'
import { onUnknown } from './events.ts'
import { expire } from './expire.ts'
import { writeFailedAck } from './failed-ack.ts'
import { fetchEntries } from './fetch.ts'
import { getHeads } from './heads.ts'
import { refused, unknown, type Written } from './outcome.ts'
import { removeDevice } from './remove-device.ts'
import type { Resources } from './resources.ts'
import { parseAck, parseAppend } from './sending.ts'
import { openSession, type Opening } from './session.ts'
import { getStatus, type StatusQuestion } from './status.ts'
import { traceAck, traceAppend } from './traces.ts'
import { type Database, withQueries } from './transaction.ts'
import { countWaiting } from './waiting.ts'
import { type AckItem, type Write, writeBatch } from './write.ts'

const UNKNOWN_RETRY_MS = 200
const ACK_BYTES = 256

export interface StoreResources extends Resources {
  /** Batches', of which there is one at a time: one connection. */
  readonly batchDb: Database
  readonly log: Logger
}

export type Store = ReturnType<typeof createStore>

export function createStore(resources: StoreResources, config: Config) {
  const { db, batchDb, sealer, log } = resources
  const warn = logSeldom(log)
  const rules = { quota: config.mailbox, seal: sealer.seal }
  const queue = { queueItemsMax: config.queue.itemsMax, queueBytesMax: config.queue.bytesMax }
  const work = { isOfOneItem: isBug, failed: outcomeOfFailed }
  const batches = createBatches<Write, Written | undefined>(
    { ...config.batch, ...queue },
    { ...work, run: (batch) => writeBatch({ ...resources, db: batchDb, rules }, batch) },
  )
  const failedAcks = createBatches<AckItem, Written>(
    { itemsMax: 1, bytesMax: config.batch.bytesMax, ...queue },
    {
      ...work,
      run: (items) =>
        Promise.all(items.map(({ ack, epoch }) => writeFailedAck(resources, ack, epoch))),
    },
  )

  function outcomeOfFailed({ epoch }: Write, error: unknown): Written {
    if (isBug(error)) log.error({ error }, 'a write has an unknown outcome')
    else warn('writes have unknown outcomes', { error })
    onUnknown()
    return unknownOf(epoch)
  }

  async function writeAppend(epoch: string, append: Append): Promise<Written> {
    const sending = parseAppend(append, sealer)
    if (sending === undefined) return { epoch, outcome: MALFORMED }
    const submitted = batches.submit({ kind: 'append', epoch, sending }, bytesOf(sending))
    return (await submitted) ?? unknownOf(epoch)
  }

  async function writeAck(epoch: string, write: AckWrite): Promise<Written> {
    const ack = parseAck(write)
    if (ack === undefined) return { epoch, outcome: MALFORMED }
    const item = { kind: 'ack', epoch, ack } as const
    const submitted = batches.submit(item, ACK_BYTES)
    if (submitted === undefined) return unknownOf(epoch)
    const written = (await submitted) ?? (await failedAcks.submit(item, ACK_BYTES))
    return written ?? unknownOf(epoch)
  }

  return {
    epoch: () => withQueries(db, async (queries) => queries.epoch),
    append: (epoch: string, append: Append) =>
      traceAppend(append, (traced) => writeAppend(epoch, traced)),
    ack: (epoch: string, ack: AckWrite) => traceAck(ack, (traced) => writeAck(epoch, traced)),
    openSession: (opening: Opening) => openSession(db, opening),
    fetch: (device: DeviceAddress, request: FetchRequest) =>
      fetchEntries({ db, sealer }, device, request),
    status: (question: StatusQuestion, epoch: string) => getStatus(db, question, epoch),
    heads: (devices: readonly DeviceAddress[], epoch: string) => getHeads(db, devices, epoch),
    createMailbox: (device: DeviceAddress, epoch: string) => createMailbox(db, device, epoch),
    addDevice: (device: DeviceAddress, epoch: string) => addDevice(db, device, epoch),
    removeDevice: (device: DeviceAddress, epoch: string) => removeDevice(resources, device, epoch),
    deleteMailbox: (accountId: AccountId, epoch: string) =>
      deleteMailbox(resources, accountId, epoch),
    expire: (request: ExpireRequest) => expire(resources, request),
    countWaiting: (request: CountWaitingRequest) => countWaiting(resources, request),
    async idle() {
      await batches.idle()
      await failedAcks.idle()
    },
  }
}

/** An entry that cannot be opened, say: it must not keep others from being written. */
function isBug(error: unknown): boolean {
  return postgresFailure(error) === undefined
}

function bytesOf({ copies, ownBytesMax }: Sending): number {
  return copies.reduce((bytes, { sealed }) => bytes + sealed.length, ownBytesMax)
}

/** It has the caller's epoch: it is about the caller's own request. */
function unknownOf(epoch: string): Written {
  return { epoch, outcome: unknown(UNKNOWN_RETRY_MS) }
}

const MALFORMED = refused(RefusalCode.MALFORMED, 'a field is missing or out of its bounds')
