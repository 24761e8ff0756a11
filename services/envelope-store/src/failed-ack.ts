// An ack that names entries which its device cannot process. Their senders get notices, so their
// mailboxes are locked too; whose the entries are is read before, without locks. Rare, and apart
// from the batches, so that a device with many of them delays no one else.

import { Failure } from '@twotick/chassis'
import type { AccountId } from '@twotick/protocol'
import { type Ack, judgeAck } from './ack.ts'
import { createDraft, type Picture, rowsOf } from './draft.ts'
import type { Resources } from './resources.ts'
import { readRanges } from './entry-rows.ts'
import { lock } from './locks.ts'
import { cursorOf } from './mailbox.ts'
import { type Message, writeNotices } from './notice.ts'
import { EPOCH_CHANGED, type Outcome, type Written } from './outcome.ts'
import { persist } from './persist.ts'
import { type Messages, openRows } from './sealed-rows.ts'
import { transact, withQueries } from './transaction.ts'
import { nameTicks } from './ticks.ts'

const TRIES = 3

/** Moves the cursor, takes the device's bit from what it failed, and tells the senders. */
export async function writeFailedAck(
  deps: Resources,
  ack: Ack,
  requestEpoch: string,
): Promise<Written> {
  const { accountId } = ack.device
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const named = [...ack.failed].filter((seq) => seq <= ack.seq)
    const rows = named.map((seq) => ({ accountId, seq }))
    const messages = await withQueries(deps.db, async (queries) =>
      queries.epoch === requestEpoch ? openRows(queries, deps.sealer, rows) : queries.epoch,
    )
    if (typeof messages === 'string') {
      return { epoch: messages, outcome: { $case: 'refusal', value: EPOCH_CHANGED } }
    }
    const written = await tryToWrite(deps, ack, messages, requestEpoch)
    if (written !== undefined) return written
  }
  throw new Failure('UNAVAILABLE', 'the failed entries keep changing', { hadNoEffect: true })
}

/** undefined if an entry is there now that was not when its sender was looked for. */
async function tryToWrite(
  deps: Resources,
  ack: Ack,
  messages: Messages,
  requestEpoch: string,
): Promise<Written | undefined> {
  const { accountId } = ack.device
  const accountIds = new Set([accountId]).union(messages.senderAccountIds)
  const done = await transact(deps.db, async (tx) => {
    const picture = await lock(tx, accountIds)
    const draft = createDraft(picture)
    const { epoch } = tx
    if (epoch !== requestEpoch) {
      return { epoch, draft, outcome: { $case: 'refusal', value: EPOCH_CHANGED } as Outcome }
    }
    const mailbox = picture.mailboxes.get(accountId)
    const afterSeq = (mailbox && cursorOf(mailbox, ack.device.deviceId))?.ackedSeq ?? Infinity
    if (mailbox !== undefined && afterSeq < ack.seq && ack.seq <= mailbox.headSeq) {
      await readRanges(tx, picture, [{ accountId, afterSeq, lastSeq: ack.seq }])
    }
    const failed = rowsOfFailed(picture, ack)
    if (failed.some((seq) => !messages.has(accountId, seq))) {
      return { epoch, draft, outcome: undefined }
    }
    const notices = new Map()
    const failures = { messages: messagesOf(messages, accountId, failed), notices }
    const outcome = judgeAck(draft, ack, failures)
    await nameTicks(tx, draft, deps.sealer)
    writeNotices(draft, notices, deps.sealer.seal)
    persist(tx, draft)
    return { epoch, draft, outcome }
  })
  if (done.outcome === undefined) return undefined
  deps.ring(done.epoch, done.draft)
  return { epoch: done.epoch, outcome: done.outcome }
}

function rowsOfFailed(picture: Picture, ack: Ack): number[] {
  return [...rowsOf(picture, ack.device.accountId)]
    .map((row) => row.seq)
    .filter((seq) => ack.failed.has(seq))
}

function messagesOf(messages: Messages, accountId: AccountId, seqs: readonly number[]) {
  const found = new Map<number, Message>()
  for (const seq of seqs) {
    const message = messages.get(accountId, seq)
    if (message !== undefined) found.set(seq, message)
  }
  return found
}
