// A proper device, through the SDK, whose history is written. Its storage is a file, so that a
// process can be killed at any moment and its device comes back as it was.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { addressKey, NoticeKind, RefusalCode } from '@twotick/protocol'
import {
  type Codec,
  type Device,
  type Message,
  OfflineError,
  openDevice,
  RefusedError,
  registerDevice,
  refusalName,
} from '@twotick/sdk'
import { type FileStorage, fileStorage } from '@twotick/sdk/node'
import { type DeviceHistory, openDeviceHistory } from './history-file.ts'
import { nameOf, observedStorage, recordFound } from './observed-storage.ts'
import { tapped } from './wire-tap.ts'

export interface Place {
  readonly url: string
  /** Of the devices' storages. */
  readonly storages: string
  readonly histories: string
}

export interface DeviceOrder {
  /** Names its files; and its handle, if it registers. */
  readonly key: string
  readonly role: string
  readonly codec?: Codec
  readonly crashPoint?: (when: 'before' | 'after') => void
  /** What the application does with a message, after it was recorded. */
  readonly handle?: (message: Message) => unknown
}

export interface ObservedDevice {
  readonly key: string
  readonly device: Device
  readonly account: string
  readonly history: DeviceHistory
  readonly stats: DeviceStats
  /** Why it has stopped for good, if it has. */
  stopped(): string | undefined
  /** Ends it; `event` says what for. */
  close(event: 'away' | 'present'): Promise<void>
}

export interface DeviceStats {
  attempted: number
  stored: number
  rejected: number
  delivered: number
  received: number
  /** Durable here, whether the application has had it or not. */
  kept: number
}

export interface Store {
  readonly storage: FileStorage
  readonly history: DeviceHistory
  /** The URL that this device dials. */
  readonly url: string
}

const NOTHING = { attempted: 0, stored: 0, rejected: 0, delivered: 0, received: 0, kept: 0 }
const RETRY_MS = 500
const SCHEDULE = { firstMs: 10_000, everyMs: 60_000, oldEvery: 10 }

/** Opens a device's files, without a device yet. */
export function openStore(place: Place, key: string): Store {
  const history = openDeviceHistory(place.histories, key)
  return {
    storage: fileStorage(storagePath(place, key)),
    history,
    url: tapped(place.url, key, history),
  }
}

export function storagePath({ storages }: Place, key: string): string {
  return join(storages, `${key}.db`)
}

/** Registers an account with this device, however long that takes; nothing where it has one. */
export async function registerPatiently({ storage, url }: Store, handle: string): Promise<void> {
  await patiently(() => registerDevice({ url, handle, storage }))
}

/** Tries until something other than an outage comes of it. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const passing: RefusalCode[] = [RefusalCode.UNAVAILABLE, RefusalCode.GOING_AWAY]
      const passes =
        error instanceof OfflineError ||
        (error instanceof RefusedError && passing.includes(error.code))
      if (!passes) throw error
      await sleep(RETRY_MS)
    }
  }
}

/** Opens the registered, or linked, device of a storage. */
export async function openObserved(store: Store, order: DeviceOrder): Promise<ObservedDevice> {
  const { storage: file, history, url } = store
  const { key, role, codec, crashPoint, handle } = order
  const identity = await file.read('identity', 'self')
  if (identity?.address === undefined) throw new Error(`${key} has no address`)
  history.record({ at: 'opened', device: addressKey(identity.address), role })
  const stats: DeviceStats = { ...NOTHING, kept: await recordFound(file, history) }
  const onKept = (count: number) => void (stats.kept += count)
  const watching = { history, onKept, ...(crashPoint && { crashPoint }) }
  const storage = observedStorage({ storage: file, ...watching })
  let stoppedBy: string | undefined
  const device = await openDevice({
    ...{ storage, url, clientName: 'chaos', clientVersion: '1.0.0', askSchedule: SCHEDULE },
    ...(codec && { codec }),
    onMessage(message) {
      history.record({ at: 'received', of: nameOf(message) })
      stats.received++
      return handle?.(message)
    },
  })
  recordEvents(device, history, stats)
  device.on('stopped', ({ reason }) => {
    if (reason === 'closed') return
    stoppedBy = reason
    history.record({ at: 'stopped', reason })
  })
  return {
    ...{ key, device, account: device.address.accountId, history, stats },
    stopped: () => stoppedBy,
    async close(event) {
      if (stoppedBy === undefined) history.record({ at: event })
      await device.close()
      file.close()
      history.close()
    },
  }
}

/** What has not come to its end here: sends without both ticks, messages that nobody has had. */
export function unfinishedOf({ device, stats }: Pick<ObservedDevice, 'device' | 'stats'>): number {
  return device.unfinished().length + Math.max(0, stats.kept - stats.received)
}

function recordEvents(device: Device, history: DeviceHistory, stats: DeviceStats): void {
  device.on('stored', ({ no }) => {
    stats.stored++
    history.record({ at: 'stored', no })
  })
  device.on('delivered', ({ no, accountId: account }) => {
    stats.delivered++
    history.record({ at: 'delivered', no, account })
  })
  device.on('rejected', ({ no, error }) => {
    stats.rejected++
    const isDefinite = !error.maybeStored
    history.record({ at: 'rejected', no, code: refusalName(error.code), isDefinite })
  })
  device.on('notice', ({ kind, sender, no, closing, recipients }) => {
    const accounts = recipients.map(({ accountId }) => accountId)
    const name = noticeName(kind)
    const notice = { kind: name, device: sender.deviceId, no, isClosing: closing, accounts }
    history.record({ at: 'notice', ...notice })
  })
  device.on('new-epoch', () => history.record({ at: 'gap' }))
}

export function noticeName(kind: NoticeKind): string {
  return Object.entries(NoticeKind).find(([, value]) => value === kind)?.[0] ?? String(kind)
}
