// One batch of appends and acks, in one transaction: lock, judge, write, commit, ring.
//
// Acks are judged first, then appends in their order, each against what the ones before left. A
// refusal never fails the batch. If the transaction fails, no one knows what became of any of it.

import { type AccountId, addressKey, type DeviceAddress } from '@twotick/protocol'
import { type Ack, failsEntries, judgeAck } from './ack.ts'
import { judgeAppend, type AppendRules, type Sending } from './append.ts'
import { onBatch } from './events.ts'
import { createDraft } from './draft.ts'
import { lockAcked } from './entry-rows.ts'
import { EPOCH_CHANGED, type Outcome, type Written } from './outcome.ts'
import { persist } from './persist.ts'
import type { Resources } from './resources.ts'
import { countRooms } from './rooms.ts'
import { nameTicks } from './ticks.ts'
import { beginTransaction, traceRemoved } from './traces.ts'
import { transact } from './transaction.ts'

export type Write =
  | { readonly kind: 'append'; readonly epoch: string; readonly sending: Sending }
  | { readonly kind: 'ack'; readonly epoch: string; readonly ack: Ack }

export interface WriteResources extends Resources {
  readonly rules: AppendRules
}

/**
 * Writes a batch; the outcomes are in its order. undefined: an ack that fails entries, which is for
 * failed-ack.ts, and of which nothing was written. Throws if the outcome of all is unknown.
 */
export async function writeBatch(
  resources: WriteResources,
  batch: readonly Write[],
): Promise<(Written | undefined)[]> {
  const since = performance.now()
  const span = beginTransaction(batch)
  const { epoch, draft, outcomes } = await transact(resources.db, async (tx) => {
    const outcomes = new Map<Write, Outcome>()
    const current = batch.filter((write) => {
      if (write.epoch === tx.epoch) return true
      outcomes.set(write, { $case: 'refusal', value: EPOCH_CHANGED })
      return false
    })
    const acks = current.filter((write) => write.kind === 'ack')
    const appends = current.filter((write) => write.kind === 'append')

    const passing = acks.map((write) => write.ack)
    const picture = await lockAcked(tx, accountsOf(acks, appends), sendersOf(appends), passing)
    const draft = createDraft(picture)
    for (const write of acks) {
      if (!failsEntries(picture, write.ack)) outcomes.set(write, judgeAck(draft, write.ack))
    }
    await nameTicks(tx, draft, resources.sealer)
    const sendings = appends.map((write) => write.sending)
    await countRooms(tx, draft, sendings, resources.rules.quota)
    for (const write of appends) {
      outcomes.set(write, judgeAppend(draft, write.sending, resources.rules))
    }
    persist(tx, draft)
    return { epoch: tx.epoch, draft, outcomes }
  }).finally(() => span?.end())
  if (span !== undefined) traceRemoved(batch, draft)
  resources.ring(epoch, draft)
  onBatch(since, batch.length, outcomes.values())
  return batch.map((write) => {
    const outcome = outcomes.get(write)
    return outcome && { epoch, outcome }
  })
}

export type AckItem = Extract<Write, { kind: 'ack' }>
type AppendItem = Extract<Write, { kind: 'append' }>

function accountsOf(acks: readonly AckItem[], appends: readonly AppendItem[]): Set<AccountId> {
  const accountIds = new Set(acks.map((write) => write.ack.device.accountId))
  for (const { sending } of appends) {
    accountIds.add(sending.sender.accountId)
    for (const { accountId } of sending.copies) accountIds.add(accountId)
  }
  return accountIds
}

function sendersOf(appends: readonly AppendItem[]): Map<string, DeviceAddress> {
  const senders = new Map<string, DeviceAddress>()
  for (const { sending } of appends) senders.set(addressKey(sending.sender), sending.sender)
  return senders
}
