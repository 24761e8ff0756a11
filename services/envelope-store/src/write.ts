// One batch of appends and acks, in one transaction: lock, judge, write, commit, ring.
//
// Acks are judged first, then appends in their order, each against what the ones before left. A
// refusal never fails the batch. If the transaction fails, no one knows what became of any of it.

import assert from 'node:assert/strict'
import { type AccountId, addressKey, type DeviceAddress } from '@twotick/protocol'
import { type Ack, judgeAck } from './ack.ts'
import { judgeAppend, type AppendRules, type Sending } from './append.ts'
import type { Ring } from './doorbell.ts'
import { createDraft, type Draft, type Picture } from './draft.ts'
import { lock, readRanges, type SeqRange } from './locks.ts'
import { cursorOf } from './mailbox.ts'
import { EPOCH_CHANGED, type Outcome } from './outcome.ts'
import { persist } from './persist.ts'
import { countRooms } from './rooms.ts'
import type { Sealer } from './sealed.ts'
import { openRows } from './sealed-rows.ts'
import { type Database, type Queries, transact } from './transaction.ts'

export type Write =
  | { readonly kind: 'append'; readonly epoch: string; readonly sending: Sending }
  | { readonly kind: 'ack'; readonly epoch: string; readonly ack: Ack }

export interface WriteDeps {
  readonly db: Database
  readonly sealer: Sealer
  readonly rules: AppendRules
  readonly ring: Ring
}

/** An outcome, and the epoch of the store that it is from. */
export interface Written {
  readonly epoch: string
  readonly outcome: Outcome
}

/** Writes a batch; the outcomes are in its order. Throws if the outcome of all is unknown. */
export async function writeBatch(deps: WriteDeps, batch: readonly Write[]): Promise<Written[]> {
  const { epoch, draft, outcomes } = await transact(deps.db, async (tx) => {
    const outcomes = new Map<Write, Outcome>()
    const current = batch.filter((write) => {
      if (write.epoch === tx.epoch) return true
      outcomes.set(write, { $case: 'refusal', value: EPOCH_CHANGED })
      return false
    })
    const acks = current.filter((write) => write.kind === 'ack')
    const appends = current.filter((write) => write.kind === 'append')

    const picture = await lock(tx, accountsOf(acks, appends), sendersOf(appends))
    await readRanges(tx, picture, rangesOf(picture, acks))
    const draft = createDraft(picture)
    for (const write of acks) outcomes.set(write, judgeAck(draft, write.ack))
    await nameTicks(tx, draft, deps.sealer)
    const sendings = appends.map((write) => write.sending)
    await countRooms(tx, draft, sendings, deps.rules.quota)
    for (const write of appends) {
      outcomes.set(write, judgeAppend(draft, write.sending, deps.rules))
    }
    await persist(tx, draft)
    return { epoch: tx.epoch, draft, outcomes }
  })
  deps.ring(epoch, draft)
  return batch.map((write) => {
    const outcome = outcomes.get(write)
    assert(outcome !== undefined, 'every write has an outcome')
    return { epoch, outcome }
  })
}

type AckItem = Extract<Write, { kind: 'ack' }>
type AppendItem = Extract<Write, { kind: 'append' }>

function accountsOf(acks: readonly AckItem[], appends: readonly AppendItem[]): Set<AccountId> {
  const accountIds = new Set(acks.map((write) => write.ack.device.accountId))
  for (const { sending } of appends) {
    accountIds.add(sending.sender.accountId)
    for (const accountId of sending.copies.keys()) accountIds.add(accountId)
  }
  return accountIds
}

function sendersOf(appends: readonly AppendItem[]): Map<string, DeviceAddress> {
  return new Map(appends.map(({ sending: { sender } }) => [addressKey(sender), sender]))
}

/** For each mailbox the rows that its acks pass: above the least of their cursors. */
function rangesOf(picture: Picture, acks: readonly AckItem[]): SeqRange[] {
  const ranges = new Map<AccountId, SeqRange>()
  for (const { ack } of acks) {
    const { accountId, deviceId } = ack.device
    const mailbox = picture.mailboxes.get(accountId)
    const cursor = mailbox && cursorOf(mailbox, deviceId)
    if (mailbox === undefined || cursor === undefined || ack.seq > mailbox.headSeq) continue
    const range = ranges.get(accountId)
    ranges.set(accountId, {
      accountId,
      afterSeq: Math.min(range?.afterSeq ?? Infinity, cursor.ackedSeq),
      lastSeq: Math.max(range?.lastSeq ?? 0, ack.seq),
    })
  }
  return [...ranges.values()].filter((range) => range.afterSeq < range.lastSeq)
}

/** Whose the ticks are that the gateway has not named: read from the rows, which are still there. */
export async function nameTicks(tx: Queries, draft: Draft, sealer: Sealer): Promise<void> {
  const unnamed = draft.ticks.filter((tick) => tick.name === undefined)
  if (unnamed.length === 0) return
  const rows = unnamed.map(({ recipientAccountId: accountId, seq }) => ({ accountId, seq }))
  const messages = await openRows(tx, sealer, rows)
  for (const tick of unnamed) tick.name = messages.get(tick.recipientAccountId, tick.seq)
}
