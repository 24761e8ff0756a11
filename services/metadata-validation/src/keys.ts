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
import { type Answer, DONE, refused } from './answer.ts'
import { lockAsker, readAsker } from './asker.ts'
import { type Transact, type Transaction } from './transaction.ts'

const PACKAGES_MAX = 100
const PACKAGE_BYTES_MAX = 4_096

/** Adds to the asking device's packages, all or none. Refused: INVALID_REQUEST, LIMIT_REACHED. */
export async function publishKeyPackages(
  transact: Transact,
  asker: DeviceAddress,
  { packages }: PublishKeyPackages,
): Promise<Answer> {
  if (packages.some(({ length }) => length === 0 || length > PACKAGE_BYTES_MAX)) {
    return refused(RefusalCode.INVALID_REQUEST, `a package has 1 to ${PACKAGE_BYTES_MAX} B`)
  }
  return transact(async (transaction) => {
    if ((await lockAsker(transaction, asker)) === undefined) return refused(RefusalCode.UNLINKED)
    const { kept, last_no } = await countPackages(transaction, asker)
    if (kept + packages.length > PACKAGES_MAX) {
      return refused(RefusalCode.LIMIT_REACHED, `${PACKAGES_MAX} key packages, ${kept} are there`)
    }
    await transaction.query({
      name: 'insert-packages',
      text: `insert into directory.key_package (account_id, device_id, package_no, package)
        select $1::uuid, $2::smallint, $3::bigint + position, package
        from unnest($4::bytea[]) with ordinality as published(package, position)`,
      values: [
        asker.accountId,
        asker.deviceId,
        last_no,
        packages.map((bytes) => Buffer.from(bytes)),
      ],
    })
    return DONE
  })
}

async function countPackages(transaction: Transaction, { accountId, deviceId }: DeviceAddress) {
  const [row] = await transaction.query<{ kept: number; last_no: number }>({
    name: 'count-packages',
    text: `select count(*)::int as kept, coalesce(max(package_no), 0) as last_no
      from directory.key_package where account_id = $1::uuid and device_id = $2::smallint`,
    values: [accountId, deviceId],
  })
  return row ?? { kept: 0, last_no: 0 }
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
