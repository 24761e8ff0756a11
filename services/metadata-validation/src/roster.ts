// Whether a sender's picture of the recipients is current: the version, and the devices that it has
// encrypted for.

import {
  type Address,
  addressKey,
  type DeviceAddress,
  type RosterDifference,
} from '@twotick/protocol'
import { type SendMetadata } from '@twotick/protocol/services'
import { type KnownAccount } from './picture.ts'

// A difference must fit a frame; whoever differs by more asks for the whole roster anyway.
const NAMED_MAX = 500

/** What a send is compared with. */
export interface CurrentRoster {
  readonly recipients: readonly KnownAccount[]
  readonly sender: KnownAccount
  readonly isGroup: boolean
  readonly rosterVersion: number
}

/**
 * The roster version of a send to one account: the sum of the `devices_version` of both. Each only
 * grows, so an equal sum means that neither has changed.
 */
export function directRosterVersion(devicesVersion: number, askersDevicesVersion: number): number {
  return devicesVersion + askersDevicesVersion
}

/**
 * The difference, or undefined if there is none. Without parts only the version counts, and an
 * account (not a conversation) takes version 0 for any. With parts they must be for exactly the
 * recipients' active devices and the sender's other ones.
 */
export function compareRoster(
  send: Pick<SendMetadata, 'rosterVersion' | 'parts'>,
  sender: DeviceAddress,
  current: CurrentRoster,
): RosterDifference | undefined {
  const { rosterVersion } = current
  const isCurrent = send.rosterVersion === rosterVersion
  if (send.parts.length === 0) {
    const isAnyTaken = send.rosterVersion === 0 && !current.isGroup
    return isCurrent || isAnyTaken ? undefined : { rosterVersion, missing: [], extra: [] }
  }
  const named = new Map(send.parts.map((address) => [addressKey(address), address]))
  const missing: Address[] = []
  for (const address of devicesOf(current, sender)) {
    if (!named.delete(addressKey(address))) missing.push(address)
  }
  if (isCurrent && missing.length === 0 && named.size === 0) return undefined
  return {
    rosterVersion,
    missing: missing.slice(0, NAMED_MAX),
    extra: [...named.values()].slice(0, NAMED_MAX),
  }
}

function devicesOf({ recipients, sender }: CurrentRoster, sending: DeviceAddress): Address[] {
  const own = sender.deviceIds.filter((deviceId) => deviceId !== sending.deviceId)
  return [
    ...recipients.flatMap(({ accountId, deviceIds }) =>
      deviceIds.map((deviceId) => ({ accountId, deviceId })),
    ),
    ...own.map((deviceId) => ({ accountId: sender.accountId, deviceId })),
  ]
}
