// Addresses and ids as the code handles them. On the wire an account id is a UUID string; inside,
// a branded one, so that a handle or a conversation id is never taken for it.

import type { Address } from './generated/twotick/v1/device.ts'

export type AccountId = string & { readonly brand: 'AccountId' }
export type ConversationId = string & { readonly brand: 'ConversationId' }

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The largest device id: it is a smallint in the database and never used again. */
export const DEVICE_ID_MAX = 32_767

export function isAccountId(text: string): text is AccountId {
  return isUuid(text)
}

export function isConversationId(text: string): text is ConversationId {
  return isUuid(text)
}

// What a process is asked about are the same accounts and devices again and again. What was a UUID,
// and the keys, are kept, the last of each place; the place is a hash of the end of the id. A text that
// was seen is one comparison. What is not as long as an id is not kept: it could be of any length.
const PLACES = 4_096
const UUID_LENGTH = 36
const knownUuids = new Array<string>(PLACES).fill('')
const keyAccounts = new Array<string>(PLACES).fill('')
const keyDevices = new Array<number>(PLACES).fill(0)
const keys = new Array<string>(PLACES).fill('')

function isUuid(text: string): boolean {
  const place = placeOf(text, 0)
  if (text === knownUuids[place] && text !== '') return true
  if (!UUID.test(text)) return false
  knownUuids[place] = text
  return true
}

function placeOf(id: string, deviceId: number): number {
  let place = deviceId
  for (let at = Math.max(0, id.length - 4); at < id.length; at++) {
    place = place * 23 + id.charCodeAt(at)
  }
  return place % PLACES
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
export function addressKey({ accountId, deviceId }: Address): string {
  if (accountId.length !== UUID_LENGTH) return `${accountId}/${deviceId}`
  const place = placeOf(accountId, deviceId)
  const known = keys[place]
  if (known && keyAccounts[place] === accountId && keyDevices[place] === deviceId) return known
  const key = `${accountId}/${deviceId}`
  keyAccounts[place] = accountId
  keyDevices[place] = deviceId
  keys[place] = key
  return key
}

/** The inverse of `addressKey`; undefined if the text is none. */
export function parseAddressKey(text: string): DeviceAddress | undefined {
  const [accountId = '', deviceId = ''] = text.split('/')
  if (!/^[1-9][0-9]{0,4}$/.test(deviceId)) return undefined
  return parseAddress({ accountId, deviceId: Number(deviceId) })
}
