// Rows of the directory as several commands read, lock and bump them.

import {
  type AccountId,
  type ConversationId,
  type Device,
  type DeviceAddress,
} from '@twotick/protocol'
import { type Reader, type Transaction } from './transaction.ts'

export interface AccountRow {
  account_id: AccountId
  handle: string
  state: 'creating' | 'active' | 'deleting'
  devices_version: number
  dormant: boolean
}

export interface DeviceRow {
  account_id: AccountId
  device_id: number
  public_key: Buffer
  name: string
  is_primary: boolean
  intent: 'adding' | 'active' | 'removing'
  seen_at_ms: number
  evicts: number | null
}

/** Locks an account for a change of its devices, blocks or memberships; undefined: there is none. */
export async function lockAccount(
  transaction: Transaction,
  accountId: AccountId,
): Promise<AccountRow | undefined> {
  const [row] = await transaction.query<AccountRow>({
    name: 'lock-account',
    text: `select account_id, handle, state, devices_version, dormant
      from directory.account where account_id = $1::uuid for update`,
    values: [accountId],
  })
  return row
}

/** An account, whatever its state. */
export async function readAccount(
  reader: Reader,
  accountId: AccountId,
): Promise<AccountRow | undefined> {
  const [row] = await reader.query<AccountRow>({
    name: 'read-account',
    text: `select account_id, handle, state, devices_version, dormant
      from directory.account where account_id = $1::uuid`,
    values: [accountId],
  })
  return row
}

/** Keeps accounts as they are until the commit, in id order; those that are active. */
export async function holdAccounts(
  transaction: Transaction,
  accountIds: readonly AccountId[],
): Promise<AccountRow[]> {
  const rows = await transaction.query<AccountRow>({
    name: 'hold-accounts',
    text: `select account_id, handle, state, devices_version, dormant
      from directory.account where account_id = any($1::uuid[]) order by account_id for share`,
    values: [accountIds],
  })
  return rows.filter(({ state }) => state === 'active')
}

/** All devices of an account, whatever their intent, in id order. */
export async function readDevices(
  reader: Reader,
  accountIds: readonly AccountId[],
): Promise<DeviceRow[]> {
  return reader.query<DeviceRow>({
    name: 'read-devices',
    text: `select account_id, device_id, public_key, name, is_primary, intent, evicts,
        (extract(epoch from seen_on) * 1000)::bigint as seen_at_ms
      from directory.device where account_id = any($1::uuid[]) order by account_id, device_id`,
    values: [accountIds],
  })
}

/**
 * The active devices of a locked account have changed: its version grows, and that of every
 * conversation it is in, conversations locked in id order.
 */
export async function bumpRosters(transaction: Transaction, accountId: AccountId) {
  await transaction.query({
    name: 'bump-devices-version',
    text: `update directory.account set devices_version = devices_version + 1
      where account_id = $1::uuid`,
    values: [accountId],
  })
  const rows = await transaction.query<{ conversation_id: ConversationId }>({
    name: 'bump-roster-versions',
    text: `with locked as materialized (
        select conversation_id from directory.conversation
        where conversation_id in (
          select conversation_id from directory.member where account_id = $1::uuid)
        order by conversation_id for update)
      update directory.conversation c set roster_version = roster_version + 1
      from locked where c.conversation_id = locked.conversation_id
      returning c.conversation_id`,
    values: [accountId],
  })
  transaction.changedAccount(accountId)
  for (const { conversation_id } of rows) transaction.changedConversation(conversation_id)
}

/** A device as its own account sees it, with name and day; or as others do, without. */
export function deviceOf(row: DeviceRow, isOwn: boolean): Device {
  return {
    address: addressOf(row),
    publicKey: row.public_key,
    primary: row.is_primary,
    name: isOwn ? row.name : '',
    seenAtMs: isOwn ? row.seen_at_ms : 0,
  }
}

export function addressOf(row: Pick<DeviceRow, 'account_id' | 'device_id'>): DeviceAddress {
  return { accountId: row.account_id, deviceId: row.device_id }
}
