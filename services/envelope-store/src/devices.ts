// Where cursors come from: with the mailbox of a new account, and with a linked device. Each comes
// only together with the device's sender row, which stays for ever: so a late repetition, even after
// the device is gone again, adds nothing.

import { type DeviceAddress, RefusalCode } from '@twotick/protocol'
import type { ChangeReply } from '@twotick/protocol/services'
import { lock } from './locks.ts'
import { EPOCH_CHANGED, refusal } from './outcome.ts'
import { type Database, type Queries, transact } from './transaction.ts'

const insertSenderSql = `
  insert into mailbox.sender (account_id, device_id) values ($1::uuid, $2::smallint)
  on conflict do nothing
  returning device_id`

const insertMailboxSql = `
  insert into mailbox.mailbox (account_id, d1, a1) values ($1::uuid, $2::smallint, 0)
  on conflict do nothing`

/** Makes the mailbox of a new account with its first device's cursor. Repeated, changes nothing. */
export function createMailbox(
  db: Database,
  device: DeviceAddress,
  epoch: string,
): Promise<ChangeReply> {
  return change(db, epoch, async (tx) => {
    // The sender row first: it is what is never there twice. Nobody can hold the lock of a mailbox
    // that is not there, so the order of locks is not at stake.
    if (!(await insertSender(tx, device))) return undefined
    await tx.rows({ text: insertMailboxSql, values: [device.accountId, device.deviceId] })
    return undefined
  })
}

/**
 * Gives a device a cursor at the head, in a free slot. Repeated, changes nothing. Refused: NOT_FOUND
 * (no mailbox), DEVICE_LIMIT (no slot is free).
 */
export function addDevice(
  db: Database,
  device: DeviceAddress,
  epoch: string,
): Promise<ChangeReply> {
  return change(db, epoch, async (tx) => {
    const { mailboxes } = await lock(tx, new Set([device.accountId]))
    const mailbox = mailboxes.get(device.accountId)
    if (mailbox === undefined) return refusal(RefusalCode.NOT_FOUND, 'no such mailbox')
    const slot = mailbox.cursors.indexOf(undefined)
    if (slot === -1 && !(await hasSender(tx, device))) {
      return refusal(RefusalCode.DEVICE_LIMIT, 'the mailbox has a cursor in every slot')
    }
    if (slot === -1 || !(await insertSender(tx, device))) return undefined
    await tx.rows({
      text: `update mailbox.mailbox set d${slot + 1} = $2::smallint, a${slot + 1} = head_seq
              where account_id = $1::uuid`,
      values: [device.accountId, device.deviceId],
    })
    return undefined
  })
}

async function insertSender(tx: Queries, device: DeviceAddress): Promise<boolean> {
  const values = [device.accountId, device.deviceId]
  return (await tx.rows({ text: insertSenderSql, values })).length === 1
}

async function hasSender(tx: Queries, { accountId, deviceId }: DeviceAddress): Promise<boolean> {
  const text = `
    select device_id from mailbox.sender
     where account_id = $1::uuid and device_id = $2::smallint`
  return (await tx.rows({ text, values: [accountId, deviceId] })).length === 1
}

type Refusal = NonNullable<ChangeReply['refusal']>

/** A change in one transaction, of this epoch. `work` returns a refusal, or undefined if it is done. */
export function change(
  db: Database,
  epoch: string,
  work: (tx: Queries) => Promise<Refusal | undefined>,
): Promise<ChangeReply> {
  return transact(db, async (tx) => {
    const refused = epoch === tx.epoch ? await work(tx) : EPOCH_CHANGED
    return { epoch: tx.epoch, done: refused === undefined, refusal: refused }
  })
}
