// SDK devices for tests: each keeps what it received, in order, and can go away and come back with
// the same storage, politely or as a crash.

import {
  claimDevice,
  createLinkCode,
  type Device,
  type DeviceEvents,
  type DeviceOptions,
  memoryStorage,
  openDevice,
  registerDevice,
  type Storage,
} from '@twotick/sdk'
import { waitFor } from './wait.ts'

/** A message as it had its effect on a device. */
export interface Received {
  readonly from: string // account/device
  readonly no: number
  readonly text: string
}

type Notice = DeviceEvents['notice']
type Missed = DeviceEvents['missed']

export interface TestDevice {
  readonly storage: Storage
  readonly address: { readonly accountId: string; readonly deviceId: number }
  readonly received: Received[]
  readonly notices: Notice[]
  readonly missed: Missed[]
  /** Second ticks as they came: send number and recipient account. */
  readonly delivered: DeviceEvents['delivered'][]
  /** The open device; throws while it is away. */
  readonly device: Device
  /** Connects; resolves once everything that waited has been received. */
  open(): Promise<void>
  /** Starts to connect and does not wait. */
  openSoon(): Promise<void>
  close(): Promise<void>
  /** Ends as a crash would. */
  abandon(): void
}

export type TestDeviceOptions = Partial<
  Pick<DeviceOptions, 'askSchedule' | 'codec' | 'clientVersion'>
> & { readonly storage?: Storage }

const DRAINED_MS = 60_000

/** Registers an account and opens its primary device. */
export async function newAccount(
  url: string,
  handle: string,
  options: TestDeviceOptions = {},
): Promise<TestDevice> {
  const storage = options.storage ?? memoryStorage()
  const address = await registerDevice({ url, handle, storage })
  const device = testDevice(storage, address, options)
  await device.open()
  return device
}

/** Links one more device to the account of an open primary. It is not opened. */
export async function linkDevice(
  url: string,
  primary: TestDevice,
  options: TestDeviceOptions = {},
): Promise<TestDevice> {
  const storage = options.storage ?? memoryStorage()
  await primary.device.linkDevice(await createLinkCode({ storage }))
  const address = await claimDevice({ url, storage, everyMs: 50 })
  return testDevice(storage, address, options)
}

/** A device around a storage that holds an identity already. */
export function testDevice(
  storage: Storage,
  address: TestDevice['address'],
  options: TestDeviceOptions = {},
): TestDevice {
  const received: Received[] = []
  const notices: Notice[] = []
  const missed: Missed[] = []
  const delivered: DeviceEvents['delivered'][] = []
  let open: Device | undefined

  async function openSoon(): Promise<void> {
    const device = await openDevice({
      clientName: 'test',
      clientVersion: '1.0.0',
      ...options,
      storage,
      onMessage: (message) => {
        const from = `${message.sender.accountId}/${message.sender.deviceId}`
        const text = new TextDecoder().decode(message.body)
        received.push({ from, no: message.no, text })
      },
    })
    device.on('notice', (notice) => notices.push(notice))
    device.on('missed', (range) => missed.push(range))
    device.on('delivered', (tick) => delivered.push(tick))
    open = device
  }

  return {
    storage,
    address,
    received,
    notices,
    missed,
    delivered,
    get device() {
      if (open === undefined) throw new Error('the device is not open')
      return open
    },
    openSoon,
    async open() {
      await openSoon()
      let isDrained = false
      open?.on('drained', () => (isDrained = true))
      await waitFor(() => isDrained, { what: 'Drained', deadlineMs: DRAINED_MS })
    },
    async close() {
      await open?.close()
      open = undefined
    },
    abandon() {
      open?.abandon()
      open = undefined
    },
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Sends a text to an account; both ticks are in what is returned. */
export function sendText(from: TestDevice, to: TestDevice, text: string) {
  return from.device.send({ to: { account: to.address.accountId }, body: bytes(text) })
}

export function texts(device: TestDevice): string[] {
  return device.received.map(({ text }) => text)
}
