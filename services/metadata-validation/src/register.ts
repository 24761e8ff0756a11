// How an account comes to be, and how a device learns its address.
//
// Registration makes account and primary device in one transaction, as `creating` and `adding`: they
// exist for others once their mailbox does (pending.ts).

import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import {
  type AccountId,
  type DeviceAddress,
  type Refusal,
  RefusalCode,
  signedClaim,
  signedRegister,
} from '@twotick/protocol'
import {
  type ClaimDeviceRequest,
  type Pending,
  PendingKind,
  type RegisterAccountRequest,
} from '@twotick/protocol/services'
import { pendingFor } from './answer.ts'
import { refuse } from './refuse.ts'
import { addressOf, type DeviceRow } from './rows.ts'
import { type Reader, type Transact, type Transaction } from './transaction.ts'
import { isSignedBy, NONCE_BYTES, PUBLIC_KEY_BYTES } from './verify.ts'

/** Who may register. */
export type Registration =
  { readonly by: 'anybody' } | { readonly by: 'token'; readonly token: string | undefined }

/** An address, with the step that must come first; or why there is none. */
export type Registered =
  | { readonly address: DeviceAddress; readonly pending?: Pending; readonly refusal?: never }
  | { readonly refusal: Refusal }

const HANDLE = /^[a-z0-9._-]{1,32}$/

/** Whether an account may be called that. */
export function isHandle(handle: string): boolean {
  return HANDLE.test(handle)
}

/**
 * Makes an account. Repeated with the same key and handle it answers the same address, and nothing
 * comes of a repetition after the account was deleted. Refused: INVALID_REQUEST, UNAUTHENTICATED,
 * REGISTRATION_CLOSED, HANDLE_TAKEN.
 */
export async function registerAccount(
  transact: Transact,
  registration: Registration,
  request: RegisterAccountRequest,
): Promise<Registered> {
  const { handle, publicKey, nonce, audience, signature } = request
  if (!isHandle(handle)) return { refusal: refuse(RefusalCode.INVALID_REQUEST, 'handle') }
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    return { refusal: refuse(RefusalCode.INVALID_REQUEST, 'public_key') }
  }
  const signed = signedRegister({ audience, nonce }, handle)
  if (nonce.length !== NONCE_BYTES || !isSignedBy(publicKey, signed, signature)) {
    return { refusal: refuse(RefusalCode.UNAUTHENTICATED) }
  }
  if (!admits(registration, request.token)) {
    return { refusal: refuse(RefusalCode.REGISTRATION_CLOSED) }
  }
  return transact((transaction) => insertAccount(transaction, handle, publicKey))
}

/** Compares digests, so that the time tells nothing about the token. */
function admits(registration: Registration, token: string): boolean {
  if (registration.by === 'anybody') return true
  const digest = (text: string) => createHash('sha256').update(text).digest()
  if (registration.token === undefined) return false
  return timingSafeEqual(digest(registration.token), digest(token))
}

async function insertAccount(
  transaction: Transaction,
  handle: string,
  publicKey: Uint8Array,
): Promise<Registered> {
  const address = { accountId: randomUUID() as AccountId, deviceId: 1 }
  const inserted = await transaction.query({
    name: 'insert-account',
    text: `insert into directory.account (account_id, handle, state, next_device_id)
      values ($1::uuid, $2::text, 'creating', 2) on conflict (handle) do nothing
      returning account_id`,
    values: [address.accountId, handle],
  })
  if (inserted.length === 0) return findRegistered(transaction, handle, publicKey)
  const devices = await transaction.query({
    name: 'insert-primary',
    text: `insert into directory.device
        (account_id, device_id, public_key, name, is_primary, intent)
      select $1::uuid, $2::smallint, $3::bytea, '', true, 'adding'
      where not exists (select from directory.retired_key where digest = sha256($3::bytea))
      on conflict (public_key) do nothing returning device_id`,
    values: [address.accountId, address.deviceId, publicKey],
  })
  if (devices.length > 0) return { address, pending: creating(address) }
  await transaction.query({
    name: 'forget-account',
    text: 'delete from directory.account where account_id = $1::uuid',
    values: [address.accountId],
  })
  return { refusal: refuse(RefusalCode.INVALID_REQUEST, 'public_key is or was another device’s') }
}

/** The handle is taken: by a repetition of this same request? */
async function findRegistered(
  reader: Reader,
  handle: string,
  publicKey: Uint8Array,
): Promise<Registered> {
  const [row] = await reader.query<DeviceRow & { state: string }>({
    name: 'find-registered',
    text: `select a.state, d.account_id, d.device_id
      from directory.account a join directory.device d using (account_id)
      where a.handle = $1::text and d.public_key = $2::bytea
        and a.state <> 'deleting' and d.is_primary`,
    values: [handle, publicKey],
  })
  if (row === undefined) return { refusal: refuse(RefusalCode.HANDLE_TAKEN) }
  const address = addressOf(row)
  return row.state === 'creating' ? { address, pending: creating(address) } : { address }
}

function creating(address: DeviceAddress): Pending {
  return pendingFor(PendingKind.CREATING_ACCOUNT, address)
}

/** The address of the active device with a key. Refused: UNAUTHENTICATED, NOT_FOUND. */
export async function claimDevice(
  reader: Reader,
  request: ClaimDeviceRequest,
): Promise<Registered> {
  const { publicKey, nonce, audience, signature } = request
  const signed = signedClaim({ audience, nonce }, publicKey)
  if (nonce.length !== NONCE_BYTES || !isSignedBy(publicKey, signed, signature)) {
    return { refusal: refuse(RefusalCode.UNAUTHENTICATED) }
  }
  const [row] = await reader.query<DeviceRow>({
    name: 'claim-device',
    text: `select d.account_id, d.device_id
      from directory.device d join directory.account a using (account_id)
      where d.public_key = $1::bytea and d.intent = 'active' and a.state = 'active'`,
    values: [publicKey],
  })
  if (row === undefined) return { refusal: refuse(RefusalCode.NOT_FOUND) }
  return { address: addressOf(row) }
}
