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
import { withQueries } from './transaction.ts'
import { countWaiting } from './waiting.ts'
import { type AckItem, type Write, writeBatch } from './write.ts'

const UNKNOWN_RETRY_MS = 200
const ACK_BYTES = 256

export interface StoreResources extends Resources {
  readonly log: Logger
}

export type Store = ReturnType<typeof createStore>

export function createStore(resources: StoreResources, config: Config) {
  const { db, sealer, log } = resources
  const warn = logSeldom(log)
  const rules = { quota: config.mailbox, seal: sealer.seal }
  const queue = { queueItemsMax: config.queue.itemsMax, queueBytesMax: config.queue.bytesMax }
  const batches = createBatches<Write, Written | undefined>(
    { ...config.batch, ...queue },
    { run: (batch) => writeBatch({ ...resources, rules }, batch), isOfOneItem: isBug },
  )
  const failedAcks = createBatches<AckItem, Written>(
    { itemsMax: 1, bytesMax: config.batch.bytesMax, ...queue },
    {
      run: (items) =>
        Promise.all(items.map(({ ack, epoch }) => writeFailedAck(resources, ack, epoch))),
      isOfOneItem: isBug,
    },
  )

  /** What cannot be known has the caller's epoch: it is about the caller's own request. */
  async function settled(epoch: string, submit: () => Promise<Written | undefined>) {
    try {
      return (await submit()) ?? { epoch, outcome: unknown(UNKNOWN_RETRY_MS) }
    } catch (error) {
      if (isBug(error)) log.error({ error }, 'a write has an unknown outcome')
      else warn('writes have unknown outcomes', { error })
      onUnknown()
      return { epoch, outcome: unknown(UNKNOWN_RETRY_MS) }
    }
  }

  function submitAppend(epoch: string, append: Append): Promise<Written> {
    const sending = parseAppend(append, sealer)
    if (sending === undefined) return Promise.resolve({ epoch, outcome: MALFORMED })
    const write = { kind: 'append', epoch, sending } as const
    return settled(epoch, async () => batches.submit(write, bytesOf(sending)))
  }

  function submitAck(epoch: string, write: AckWrite): Promise<Written> {
    const ack = parseAck(write)
    if (ack === undefined) return Promise.resolve({ epoch, outcome: MALFORMED })
    const item = { kind: 'ack', epoch, ack } as const
    return settled(epoch, async () => {
      const submitted = batches.submit(item, ACK_BYTES)
      if (submitted === undefined) return undefined
      return (await submitted) ?? failedAcks.submit(item, ACK_BYTES)
    })
  }

  return {
    epoch: () => withQueries(db, async (queries) => queries.epoch),
    append: (epoch: string, append: Append) =>
      traceAppend(append, (traced) => submitAppend(epoch, traced)),
    ack: (epoch: string, ack: AckWrite) => traceAck(ack, (traced) => submitAck(epoch, traced)),
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

function bytesOf(sending: Sending): number {
  return [...sending.copies.values()].reduce(
    (bytes, copy) => bytes + copy.sealed.length,
    sending.ownBytesMax,
  )
}

const MALFORMED = refused(RefusalCode.MALFORMED, 'a field is missing or out of its bounds')
