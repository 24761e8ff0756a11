// Checks a Hello. Read from Postgres and not from the cache: an unlinked device opens no session.

import {
  parseAddress,
  type Refusal,
  RefusalCode,
  signedHello,
  type DeviceAddress,
} from '@twotick/protocol'
import { type AuthenticateRequest } from '@twotick/protocol/services'
import { judgeVersion, type VersionPolicy } from './policy.ts'
import { refuse } from './refuse.ts'
import { readAccount } from './rows.ts'
import { type Reader, type Transact } from './transaction.ts'
import { isSignedBy, NONCE_BYTES } from './verify.ts'
import { wake } from './wake.ts'

export type Authentication =
  { readonly isPrimary: boolean; readonly refusal?: never } | { readonly refusal: Refusal }

/** What a Hello is checked with. */
export interface Doorkeeper {
  readonly db: Reader
  readonly transact: Transact
  readonly policy: VersionPolicy
  readonly onPendingVersion: () => void
}

interface Row {
  public_key: Buffer
  is_primary: boolean
  is_seen_today: boolean
  dormant: boolean
}

/**
 * Checks a Hello, and notes the day that the device was seen. Refused: UNAUTHENTICATED (an unknown
 * device and a bad signature look the same, and take as long), UPGRADE_REQUIRED.
 */
export async function authenticate(
  doorkeeper: Doorkeeper,
  request: AuthenticateRequest,
): Promise<Authentication> {
  const { nonce, audience, signature, clientVersion } = request
  const address = parseAddress(request.address)
  if (address === undefined) return { refusal: refuse(RefusalCode.UNAUTHENTICATED) }
  const row = await findDevice(doorkeeper.db, address)
  const signed = signedHello({ audience, nonce }, address, clientVersion)
  const isSigned = isSignedBy(row?.public_key, signed, signature)
  if (row === undefined || !isSigned || nonce.length !== NONCE_BYTES) {
    return { refusal: refuse(RefusalCode.UNAUTHENTICATED) }
  }
  const version = judgeVersion(doorkeeper.policy, clientVersion)
  if (version.refusal !== undefined) return { refusal: version.refusal }
  if (version.isPendingRefusal) doorkeeper.onPendingVersion()
  const isDormant = row.is_seen_today ? row.dormant : await noteSeen(doorkeeper.db, address)
  if (isDormant) await wake(doorkeeper.transact, address.accountId)
  return { isPrimary: row.is_primary }
}

async function findDevice(db: Reader, address: DeviceAddress): Promise<Row | undefined> {
  const [row] = await db.query<Row>({
    name: 'authenticate',
    text: `select d.public_key, d.is_primary, a.dormant,
        d.seen_on >= current_date as is_seen_today
      from directory.device d join directory.account a using (account_id)
      where d.account_id = $1::uuid and d.device_id = $2::smallint
        and d.intent = 'active' and a.state = 'active'`,
    values: [address.accountId, address.deviceId],
  })
  return row
}

/**
 * One row, one lock: needs no place in the lock order. True: the account is dormant, as it is once
 * this is noted and not as it was when the device was found; it may have been marked meanwhile.
 */
async function noteSeen(db: Reader, { accountId, deviceId }: DeviceAddress): Promise<boolean> {
  await db.query({
    name: 'note-seen',
    text: `update directory.device set seen_on = current_date
      where account_id = $1::uuid and device_id = $2::smallint and seen_on < current_date`,
    values: [accountId, deviceId],
  })
  return (await readAccount(db, accountId))?.dormant === true
}
