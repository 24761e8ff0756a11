// Who asks. The gateway has authenticated the device when its session began; whether it is still
// active is looked up again under the account's lock, or in the snapshot that answers.

import { type DeviceAddress } from '@twotick/protocol'
import { type AccountRow, type DeviceRow, lockAccount, readAccount, readDevices } from './rows.ts'
import { type Reader, type Transaction } from './transaction.ts'

/** An active device that asks, with its account and all devices of that, whatever their intent. */
export interface Asker {
  readonly account: AccountRow
  readonly device: DeviceRow
  readonly devices: readonly DeviceRow[]
}

/** The asker under its account's lock; undefined if it is not active (any more): UNLINKED. */
export async function lockAsker(
  transaction: Transaction,
  address: DeviceAddress,
): Promise<Asker | undefined> {
  return askerOf(await lockAccount(transaction, address.accountId), transaction, address)
}

/** The asker as a snapshot has it; undefined if it is not active (any more): UNLINKED. */
export async function readAsker(
  reader: Reader,
  address: DeviceAddress,
): Promise<Asker | undefined> {
  return askerOf(await readAccount(reader, address.accountId), reader, address)
}

async function askerOf(
  account: AccountRow | undefined,
  reader: Reader,
  address: DeviceAddress,
): Promise<Asker | undefined> {
  if (account?.state !== 'active') return undefined
  const devices = await readDevices(reader, [address.accountId])
  const device = devices.find(({ device_id }) => device_id === address.deviceId)
  return device?.intent === 'active' ? { account, device, devices } : undefined
}
