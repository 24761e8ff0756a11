// Finds an account by its handle or its id, with the roster of a send to it.

import {
  type AccountId,
  type Contact,
  type DeviceAddress,
  isAccountId,
  type LookUp,
  RefusalCode,
} from '@twotick/protocol'
import { type Answer, refused } from './answer.ts'
import { type Asker, readAsker } from './asker.ts'
import { isHandle } from './register.ts'
import { directRosterVersion } from './roster.ts'
import { type AccountRow, deviceOf, readDevices } from './rows.ts'
import { type Reader, type Snapshot } from './transaction.ts'

/** Refused: NOT_FOUND, also where the asker is blocked, or the account not (or no more) active. */
export async function lookUp(
  snapshot: Snapshot,
  asker: DeviceAddress,
  request: LookUp,
): Promise<Answer> {
  return snapshot(async (reader) => {
    const found = await readAsker(reader, asker)
    if (found === undefined) return refused(RefusalCode.UNLINKED)
    const account = await find(reader, asker.accountId, request)
    if (account === undefined) return refused(RefusalCode.NOT_FOUND)
    const contact = await contactOf(reader, account, found)
    return { body: { $case: 'contact', value: contact } }
  })
}

async function find(
  reader: Reader,
  asker: AccountId,
  { by }: LookUp,
): Promise<AccountRow | undefined> {
  const handle = by?.$case === 'handle' && isHandle(by.value) ? by.value : null
  const id = by?.$case === 'accountId' && isAccountId(by.value) ? by.value : null
  const [row] = await reader.query<AccountRow>({
    name: 'look-up',
    text: `select account_id, handle, state, devices_version, dormant
      from directory.account a
      where (handle = $1::text or account_id = $2::uuid) and state = 'active'
        and not exists (select from directory.block b
          where b.account_id = a.account_id and b.blocked_id = $3::uuid)`,
    values: [handle, id, asker],
  })
  return row
}

async function contactOf(reader: Reader, account: AccountRow, asker: Asker): Promise<Contact> {
  const isOwn = account.account_id === asker.account.account_id
  const devices = await readDevices(reader, [account.account_id])
  return {
    accountId: account.account_id,
    handle: account.handle,
    rosterVersion: directRosterVersion(account.devices_version, asker.account.devices_version),
    devices: devices.filter(({ intent }) => intent === 'active').map((row) => deviceOf(row, isOwn)),
    ownDevices: asker.devices
      .filter(
        ({ intent, device_id }) => intent === 'active' && device_id !== asker.device.device_id,
      )
      .map((row) => deviceOf(row, true)),
    dormant: account.dormant,
  }
}
