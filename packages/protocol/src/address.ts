// Addresses and ids as the code handles them. On the wire an account id is a UUID string; inside,
// a branded one, so that a handle or a conversation id is never taken for it.

import type { Address } from './generated/twotick/v1/device.ts'

export type AccountId = string & { readonly brand: 'AccountId' }
export type ConversationId = string & { readonly brand: 'ConversationId' }

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The largest device id: it is a smallint in the database and never used again. */
export const DEVICE_ID_MAX = 32_767

export function isAccountId(text: string): text is AccountId {
  return UUID.test(text)
}

export function isConversationId(text: string): text is ConversationId {
  return UUID.test(text)
}

/** An address that is whole: the message's fields are there and within their bounds. */
export interface DeviceAddress {
  readonly accountId: AccountId
  readonly deviceId: number
}

/** Checks an address from outside; undefined if a field is missing or out of bounds. */
export function parseAddress(address: Address | undefined): DeviceAddress | undefined {
  if (address === undefined || !isAccountId(address.accountId)) return undefined
  if (address.deviceId < 1 || address.deviceId > DEVICE_ID_MAX) return undefined
  return { accountId: address.accountId, deviceId: address.deviceId }
}

/** `account/device`: a map key, and how a device is written for a person. */
export function addressKey(address: Address): string {
  return `${address.accountId}/${address.deviceId}`
}

/** The inverse of `addressKey`; undefined if the text is none. */
export function parseAddressKey(text: string): DeviceAddress | undefined {
  const [accountId = '', deviceId = ''] = text.split('/')
  if (!/^[1-9][0-9]{0,4}$/.test(deviceId)) return undefined
  return parseAddress({ accountId, deviceId: Number(deviceId) })
}
