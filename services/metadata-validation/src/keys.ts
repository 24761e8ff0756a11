// Key packages: one-time keys that a device leaves, so that others can write to it first. Opaque;
// each is handed out once.

import {
  type AccountId,
  type DeviceAddress,
  isAccountId,
  type KeyPackage,
  type PublishKeyPackages,
  RefusalCode,
  type TakeKeyPackages,
} from '@twotick/protocol'
import { createHash } from 'node:crypto'
import { type Answer, DONE, refused } from './answer.ts'
import { lockAsker, readAsker } from './asker.ts'
import { type Transact, type Transaction } from './transaction.ts'

const PACKAGES_MAX = 100
const PACKAGE_BYTES_MAX = 4_096
/** As many as a device may have requests without an answer, each of which it repeats. */
const PUBLICATIONS_NOTED = 16

/**
 * Adds to the asking device's packages, all or none. A repeated publication adds nothing, also where
 * its packages are handed out; nor does a package that is there already. Refused: INVALID_REQUEST,
 * LIMIT_REACHED.
 */
export async function publishKeyPackages(
  transact: Transact,
  asker: DeviceAddress,
  { packages }: PublishKeyPackages,
): Promise<Answer> {
  if (packages.some(({ length }) => length === 0 || length > PACKAGE_BYTES_MAX)) {
    return refused(RefusalCode.INVALID_REQUEST, `a package has 1 to ${PACKAGE_BYTES_MAX} B`)
  }
  const byDigest = new Map(packages.map((bytes) => [sha256(bytes).toString('hex'), bytes]))
  // Digests have one length, so that no two publications are the same when put together.
  const publication = sha256(Buffer.concat(packages.map(sha256)))
  return transact(async (transaction) => {
    if ((await lockAsker(transaction, asker)) === undefined) return refused(RefusalCode.UNLINKED)
    if (await isPublished(transaction, asker, publication)) return DONE
    const kept = await readKept(transaction, asker)
    const keptDigests = new Set(kept.map(({ digest }) => digest))
    const added = [...byDigest].filter(([digest]) => !keptDigests.has(digest))
    if (kept.length + added.length > PACKAGES_MAX) {
      const detail = `${PACKAGES_MAX} key packages, ${kept.length} are there`
      return refused(RefusalCode.LIMIT_REACHED, detail)
    }
    await transaction.query({
      name: 'insert-packages',
      text: `insert into directory.key_package (account_id, device_id, package_no, package)
        select $1::uuid, $2::smallint, $3::bigint + position, package
        from unnest($4::bytea[]) with ordinality as published(package, position)`,
      values: [
        asker.accountId,
        asker.deviceId,
        kept.at(-1)?.package_no ?? 0,
        added.map(([, bytes]) => Buffer.from(bytes)),
      ],
    })
    await notePublication(transaction, asker, publication)
    return DONE
  })
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** Whether this is one of the device's last publications: its answer was lost. */
async function isPublished(
  transaction: Transaction,
  { accountId, deviceId }: DeviceAddress,
  publication: Buffer,
): Promise<boolean> {
  const rows = await transaction.query({
    name: 'find-publication',
    text: `select from directory.publication
      where account_id = $1::uuid and device_id = $2::smallint and $3::bytea = any (digests)`,
    values: [accountId, deviceId, publication],
  })
  return rows.length > 0
}

async function notePublication(
  transaction: Transaction,
  { accountId, deviceId }: DeviceAddress,
  publication: Buffer,
): Promise<void> {
  await transaction.query({
    name: 'note-publication',
    text: `insert into directory.publication as p (account_id, device_id, digests)
      values ($1::uuid, $2::smallint, array[$3::bytea])
      on conflict (account_id, device_id) do update
        set digests = (excluded.digests || p.digests)[1:$4::int]`,
    values: [accountId, deviceId, publication, PUBLICATIONS_NOTED],
  })
}

/** The device's packages, oldest first. */
async function readKept(transaction: Transaction, { accountId, deviceId }: DeviceAddress) {
  return transaction.query<{ package_no: number; digest: string }>({
    name: 'read-kept-packages',
    text: `select package_no, encode(sha256(package), 'hex') as digest from directory.key_package
      where account_id = $1::uuid and device_id = $2::smallint order by package_no`,
    values: [accountId, deviceId],
  })
}

/**
 * Takes one package of each active device of an account, the asking one aside; empty for a device
 * that has none left. Refused: NOT_FOUND (also where the asker is blocked).
 */
export async function takeKeyPackages(
  transact: Transact,
  asker: DeviceAddress,
  { accountId }: TakeKeyPackages,
): Promise<Answer> {
  if (!isAccountId(accountId)) return refused(RefusalCode.NOT_FOUND)
  return transact(async (transaction) => {
    if ((await readAsker(transaction, asker)) === undefined) return refused(RefusalCode.UNLINKED)
    const devices = await findDevices(transaction, accountId, asker)
    if (devices.length === 0) return refused(RefusalCode.NOT_FOUND)
    const isOther = (deviceId: number) =>
      accountId !== asker.accountId || deviceId !== asker.deviceId
    const others = devices.filter(isOther)
    const taken = await takePackages(transaction, accountId, others)
    const packages: KeyPackage[] = others.map((deviceId) => ({
      address: { accountId, deviceId },
      package: taken.get(deviceId) ?? new Uint8Array(),
    }))
    return { body: { $case: 'keyPackages', value: { packages } } }
  })
}

/** The active devices of an active account that has not blocked the asker; none: NOT_FOUND. */
async function findDevices(
  transaction: Transaction,
  accountId: AccountId,
  asker: DeviceAddress,
): Promise<number[]> {
  const rows = await transaction.query<{ device_id: number }>({
    name: 'find-devices-with-packages',
    text: `select d.device_id from directory.device d join directory.account a using (account_id)
      where d.account_id = $1::uuid and d.intent = 'active' and a.state = 'active'
        and not exists (select from directory.block b
          where b.account_id = a.account_id and b.blocked_id = $2::uuid)
      order by d.device_id`,
    values: [accountId, asker.accountId],
  })
  return rows.map(({ device_id }) => device_id)
}

/** The oldest package of each device; two takers at the same moment get different ones. */
async function takePackages(
  transaction: Transaction,
  accountId: AccountId,
  deviceIds: readonly number[],
): Promise<Map<number, Uint8Array>> {
  const rows = await transaction.query<{ device_id: number; package: Buffer }>({
    name: 'take-packages',
    text: `with taken as materialized (
        select oldest.device_id, oldest.package_no
        from unnest($2::smallint[]) as wanted(device_id)
        cross join lateral (
          select k.device_id, k.package_no from directory.key_package k
          where k.account_id = $1::uuid and k.device_id = wanted.device_id
          order by k.package_no limit 1 for update skip locked) as oldest)
      delete from directory.key_package k using taken
      where k.account_id = $1::uuid and k.device_id = taken.device_id
        and k.package_no = taken.package_no
      returning k.device_id, k.package`,
    values: [accountId, deviceIds],
  })
  return new Map(rows.map((row) => [row.device_id, row.package]))
}
