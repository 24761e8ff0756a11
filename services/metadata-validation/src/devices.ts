// The devices of an account: listed, linked, unlinked.
//
// Linking and unlinking take a step at the store too, in an order that loses nothing (design §5): a
// new device gets its cursor before it is listed here, an unlinked one is listed no more before it
// loses it. The row carries the intent meanwhile.

import {
  type AccountId,
  DEVICE_ID_MAX,
  type DeviceAddress,
  type LinkDevice,
  RefusalCode,
  signedLink,
  type UnlinkDevice,
} from '@twotick/protocol'
import { PendingKind } from '@twotick/protocol/services'
import { type Answer, deviceList, DONE, pendingFor, refused } from './answer.ts'
import { type Asker, lockAsker, readAsker } from './asker.ts'
import { addressOf, bumpRosters, deviceOf, type DeviceRow } from './rows.ts'
import { type Snapshot, type Transact, type Transaction } from './transaction.ts'
import { isSignedBy, PUBLIC_KEY_BYTES } from './verify.ts'

const DEVICES_MAX = 5
const NAME_BYTES_MAX = 64

/** The active devices of the asker's account. */
export async function listDevices(snapshot: Snapshot, asker: DeviceAddress): Promise<Answer> {
  return snapshot(async (reader) => {
    const found = await readAsker(reader, asker)
    if (found === undefined) return refused(RefusalCode.UNLINKED)
    const active = found.devices.filter(({ intent }) => intent === 'active')
    return deviceList(active.map((row) => deviceOf(row, true)))
  })
}

/**
 * Links a device by its public key; repeated, it answers the same address, and nothing comes of a
 * repetition after the device was unlinked. Refused: NOT_PRIMARY, UNAUTHENTICATED, INVALID_REQUEST,
 * DEVICE_LIMIT, LIMIT_REACHED (the account has used up its ids).
 */
export async function linkDevice(
  transact: Transact,
  asker: DeviceAddress,
  request: LinkDevice,
): Promise<Answer> {
  const { publicKey, name, signature } = request
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    return refused(RefusalCode.INVALID_REQUEST, 'public_key')
  }
  // Postgres takes no NUL in a text.
  if (Buffer.byteLength(name) > NAME_BYTES_MAX || name.includes('\0')) {
    return refused(RefusalCode.INVALID_REQUEST, 'name')
  }
  return transact(async (transaction) => {
    const found = await lockAsker(transaction, asker)
    if (found === undefined) return refused(RefusalCode.UNLINKED)
    if (!found.device.is_primary) return refused(RefusalCode.NOT_PRIMARY)
    const signed = signedLink(asker.accountId, publicKey)
    if (!isSignedBy(found.device.public_key, signed, signature)) {
      return refused(RefusalCode.UNAUTHENTICATED)
    }
    const known = found.devices.find((row) => row.public_key.equals(publicKey))
    if (known !== undefined) return repeatedLink(known)
    const slot = findSlot(found, request.evictDeviceId)
    if (slot.at === 'refused') return slot.answer
    return addDevice(transaction, found, request, slot)
  })
}

function repeatedLink(row: DeviceRow): Answer {
  if (row.intent === 'removing' || row.is_primary) {
    return refused(RefusalCode.INVALID_REQUEST, 'public_key is another device’s')
  }
  return linked(row)
}

function linked(row: Pick<DeviceRow, 'account_id' | 'device_id' | 'intent' | 'evicts'>): Answer {
  const address = addressOf(row)
  const body = { $case: 'linkedDevice', value: { address } } as const
  if (row.intent === 'active') return { body }
  if (row.evicts === null) {
    return { body, pending: pendingFor(PendingKind.ADDING_DEVICE, address) }
  }
  return { body, pending: pendingFor(PendingKind.REPLACING_DEVICE, address, row.evicts) }
}

/** Where a new device finds room: the account has few enough, or another one goes first. */
type Slot =
  | { readonly at: 'free' }
  | { readonly at: 'replacing'; readonly evicted: DeviceRow }
  | { readonly at: 'refused'; readonly answer: Answer }

/**
 * A device being removed holds its slot at the store until that is done; a new one may take over the
 * wait for it. Else the least recently active companion is named, and goes when it is confirmed.
 */
function findSlot({ devices }: Asker, evictDeviceId: number): Slot {
  const evicted = new Set(devices.map(({ evicts }) => evicts))
  const holding = devices.filter(({ device_id }) => !evicted.has(device_id))
  if (holding.length < DEVICES_MAX) return { at: 'free' }
  const leaving = holding.find(({ intent }) => intent === 'removing')
  if (leaving !== undefined) return { at: 'replacing', evicted: leaving }
  const companions = holding.filter((row) => !row.is_primary && row.intent === 'active')
  if (evictDeviceId !== 0) {
    const named = companions.find(({ device_id }) => device_id === evictDeviceId)
    if (named !== undefined) return { at: 'replacing', evicted: named }
    const answer = refused(RefusalCode.INVALID_REQUEST, 'evict_device_id is no companion')
    return { at: 'refused', answer }
  }
  const [candidate] = companions.sort(
    (a, b) => a.seen_at_ms - b.seen_at_ms || a.device_id - b.device_id,
  )
  // None: all the others are being linked at this moment.
  const detail = String(candidate?.device_id ?? '')
  return { at: 'refused', answer: refused(RefusalCode.DEVICE_LIMIT, detail) }
}

async function addDevice(
  transaction: Transaction,
  { account }: Asker,
  { publicKey, name }: LinkDevice,
  slot: Exclude<Slot, { at: 'refused' }>,
): Promise<Answer> {
  const accountId = account.account_id
  if (await isTaken(transaction, publicKey)) return TAKEN
  const deviceId = await nextDeviceId(transaction, accountId)
  if (deviceId > DEVICE_ID_MAX) return refused(RefusalCode.LIMIT_REACHED, 'device ids')
  const evicts = slot.at === 'replacing' ? slot.evicted.device_id : null
  const [row] = await transaction.query<DeviceRow>({
    name: 'insert-device',
    text: `insert into directory.device
        (account_id, device_id, public_key, name, is_primary, intent, evicts)
      values ($1::uuid, $2::smallint, $3::bytea, $4::text, false, 'adding', $5::smallint)
      on conflict (public_key) do nothing
      returning account_id, device_id, intent, evicts`,
    values: [accountId, deviceId, publicKey, name, evicts],
  })
  if (row === undefined) return TAKEN
  if (evicts !== null) await markRemoving(transaction, { accountId, deviceId: evicts })
  return linked(row)
}

const TAKEN = refused(RefusalCode.INVALID_REQUEST, 'public_key is or was another device’s')

async function isTaken(transaction: Transaction, publicKey: Uint8Array): Promise<boolean> {
  const found = await transaction.query({
    name: 'find-key',
    text: `select from directory.device where public_key = $1::bytea
      union all select from directory.retired_key where digest = sha256($1::bytea)`,
    values: [publicKey],
  })
  return found.length > 0
}

async function nextDeviceId(transaction: Transaction, accountId: AccountId): Promise<number> {
  const [row] = await transaction.query<{ device_id: number }>({
    name: 'next-device-id',
    text: `update directory.account set next_device_id = next_device_id + 1
      where account_id = $1::uuid returning next_device_id - 1 as device_id`,
    values: [accountId],
  })
  return row?.device_id ?? DEVICE_ID_MAX + 1
}

/** Unlinks a companion: the primary any, a companion itself. Refused: NOT_PRIMARY, NOT_FOUND. */
export async function unlinkDevice(
  transact: Transact,
  asker: DeviceAddress,
  { deviceId }: UnlinkDevice,
): Promise<Answer> {
  return transact(async (transaction) => {
    const found = await lockAsker(transaction, asker)
    if (found === undefined) return refused(RefusalCode.UNLINKED)
    if (!found.device.is_primary && deviceId !== asker.deviceId) {
      return refused(RefusalCode.NOT_PRIMARY)
    }
    const row = found.devices.find(({ device_id }) => device_id === deviceId)
    if (row?.intent !== 'active' || row.is_primary) return refused(RefusalCode.NOT_FOUND)
    const address = addressOf(row)
    await markRemoving(transaction, address)
    return { ...DONE, pending: pendingFor(PendingKind.REMOVING_DEVICE, address) }
  })
}

/**
 * Takes an active device out of every roster, and its key out of use; its account is locked. Nothing
 * changes for a device that is not active.
 */
export async function markRemoving(
  transaction: Transaction,
  { accountId, deviceId }: DeviceAddress,
): Promise<void> {
  const marked = await transaction.query({
    name: 'mark-removing',
    text: `with marked as (
        update directory.device set intent = 'removing', since = now()
        where account_id = $1::uuid and device_id = $2::smallint and intent = 'active'
        returning account_id, device_id, public_key),
      retired as (
        insert into directory.retired_key (digest) select sha256(public_key) from marked
        on conflict do nothing),
      gone as (
        delete from directory.key_package k using marked m
        where k.account_id = m.account_id and k.device_id = m.device_id)
      select device_id from marked`,
    values: [accountId, deviceId],
  })
  if (marked.length > 0) await bumpRosters(transaction, accountId)
}
