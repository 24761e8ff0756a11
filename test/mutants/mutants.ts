// Every mutant. Each must turn the simulation red, or the test that it names.

import type { Mutant } from './mutant.ts'

const STORE = 'services/envelope-store/src'
const GATEWAY = 'services/gateway/src'
const SDK = 'clients/sdk/src'

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'tick-before-commit',
    breaks: 'No first tick before commit.',
    file: `${STORE}/store.ts`,
    find: 'return (await submitted) ?? unknownOf(epoch)',
    replace: `void submitted
      return { epoch, outcome: { $case: 'stored', value: { acceptedAtMs: 1 } } }`,
  },
  {
    name: 'ack-on-push',
    breaks: 'A device acks after its local transaction; nobody does it for the device.',
    file: `${GATEWAY}/pusher.ts`,
    find: "if (action.do === 'status') said?.now(action.status)",
    replace: `if (action.do === 'status') said?.now(action.status)
    if (action.do === 'deliver') feed({ on: 'ack', seq: session.pushedSeq, failed: [] })`,
  },
  {
    name: 'delivered-by-plain-maximum',
    breaks: 'Delivered by a device in `slots`, not by any.',
    schedule: 'a device is linked above a backlog, which expires',
    file: `${STORE}/mailbox.ts`,
    find: 'cursor !== undefined && slots & bitOf(slot) && seq <= cursor.ackedSeq',
    replace: 'cursor !== undefined && (slots || slot) && seq <= cursor.ackedSeq',
  },
  {
    name: 'empty-part-delivers',
    breaks: 'An empty part is for nobody.',
    schedule: 'resent to one device, and another one answers first',
    file: `${STORE}/sending.ts`,
    find: 'part.ciphertext.length > 0',
    replace: 'part.ciphertext.length >= 0',
  },
  {
    name: 'names-tick-without-row',
    breaks: 'A name in an ack gives no tick: the row must be there and owe it.',
    file: `${STORE}/ack.ts`,
    find: '  setAcked(draft, mailbox, slot, ack.seq)',
    replace: `  draft.ticks.length = 0
  for (const [seq, name] of ack.names) {
    if (!ack.failed.has(seq)) draft.ticks.push({ recipientAccountId: mailbox.accountId, seq, name })
  }
  setAcked(draft, mailbox, slot, ack.seq)`,
  },
  {
    name: 'session-not-checked',
    breaks: 'An append of an older session is refused.',
    schedule: 'an append is stuck until the next session has its answer',
    file: `${STORE}/append.ts`,
    find: 'if (sender.session !== sending.session)',
    replace: 'if (sender.session < sending.session)',
  },
  {
    name: 'unknown-is-rejected',
    breaks: '`Rejected` is definite.',
    file: `${GATEWAY}/lane.ts`,
    find: "return { at: 'unsettled', accepted, isRepetition: true }",
    replace: `const refusal = { code: RefusalCode.UNAVAILABLE, detail: '', retryAfterMs: 0 }
      return { at: 'refused', refusal, roster: undefined, again: undefined }`,
  },
  {
    name: 'refused-repetition-answered',
    breaks: 'A repetition may answer only `Stored`.',
    schedule: 'an append is stuck, its repetition meets a full mailbox',
    file: `${GATEWAY}/lane.ts`,
    find: "if (isRepetition && !endsSession(refusal)) return 'lost'",
    replace: '',
  },
  {
    name: 'rejection-not-durable',
    breaks: 'A rejection is durable before the device goes on.',
    schedule: 'crashed after a rejection',
    file: `${SDK}/again.ts`,
    find: 'dropAttempt(entering, attempt.no)\n  const before',
    replace: 'entering.book.attempts.delete(attempt.no)\n  const before',
  },
  {
    name: 'status-head-first',
    breaks: "Status: the rows are read first, the asker's head second.",
    schedule: 'asked for a status while the message expires',
    file: `${STORE}/status.ts`,
    find: `const [[sender], , rows, [own]] = await Promise.all([`,
    replace: `const [[own], [sender], , rows] = await Promise.all([
      queries.rows<{ head_seq: number }>({ name: 'head', text: headSql, values: address }),`,
  },
  {
    name: 'status-not-held',
    breaks: 'An answer is held until everything that it relies on was pushed.',
    schedule: 'asked for a status before the notice is pushed',
    file: `${GATEWAY}/session.ts`,
    find: 'const held = [...session.held, { status, askerHeadSeq }]',
    replace: 'const held = [...session.held, { status, askerHeadSeq: 0 }]',
  },
  {
    name: 'place-used-twice',
    breaks: 'A place is good for one write.',
    file: `${STORE}/persist.ts`,
    find: 'for (const row of rows) row.ctid = undefined',
    replace: '',
  },
  {
    name: 'place-of-changed-entry',
    breaks: 'A place is good for one write.',
    file: `${STORE}/draft.ts`,
    find: 'row.ctid = undefined',
    replace: '',
  },
  {
    name: 'unlink-without-notices',
    breaks: 'Whatever leaves undelivered leaves a closing notice.',
    schedule: 'the only device that a message is for is unlinked, beside a newer one',
    file: `${STORE}/leave.ts`,
    find: 'if (isClosed && !noteUndelivered(leaving, mailbox, row, kind)) continue',
    replace: 'if (isClosed && kind === undefined) continue',
  },
  {
    name: 'expire-without-notices',
    breaks: 'Whatever leaves undelivered leaves a closing notice.',
    file: `${STORE}/leave.ts`,
    find: 'if (!isDelivered(mailbox, row) && !noteUndelivered(leaving, mailbox, row, kind)) return false',
    replace: 'if (kind === undefined) return false',
  },
  {
    name: 'notices-expire',
    breaks: 'Notices never expire, and never make room.',
    schedule: 'notices wait for a sender that is away',
    file: `${STORE}/notice.ts`,
    find: 'slots: 0, expiresAtMs: undefined })',
    replace: 'slots: 0, expiresAtMs: draft.picture.nowMs + 1_000 })',
  },
  {
    name: 'failure-not-durable',
    breaks: 'A failure is durable on the device before it acks on.',
    schedule: 'crashed around a failure',
    file: `${SDK}/receiver.ts`,
    find: "turn.put('failed', numberKey(seq), { seq })",
    replace: '',
  },
  {
    name: 'failure-named-once',
    breaks: 'A failure is named in every ack until the cursor has passed it.',
    schedule: 'cut while a failure is acknowledged',
    file: `${SDK}/receiver.ts`,
    find: 'return { seq: pushed, failed: failed.slice(-FAILED_MAX) }',
    replace: 'return { seq: pushed, failed: failed.splice(0) }',
  },
  {
    name: 'directory-before-cursor',
    breaks: 'Link: the cursor first, then the directory lists the device.',
    file: 'packages/linking/src/finish-pending.ts',
    find: 'const left = await changeStore({ store, epoch, signal }, pending)',
    replace: `await unary(directory, 'finishPending', { pending }, { deadlineMs: CALL_MS, signal })
  const left = await changeStore({ store, epoch, signal }, pending)`,
  },
  {
    name: 'late-cursor-after-unlink',
    breaks: 'A late repetition of AddDevice adds nothing.',
    schedule: 'adding a device is repeated after it was unlinked',
    file: `${STORE}/devices.ts`,
    find: 'if (slot === -1 || !(await insertSender(tx, device))) return undefined',
    replace: `if (slot === -1) return undefined
    await insertSender(tx, device)`,
  },
  {
    name: 'ack-makes-a-cursor',
    breaks: 'An ack never makes or revives a cursor.',
    file: `${STORE}/ack.ts`,
    find: 'const slot = mailbox === undefined ? -1 : slotOf(mailbox, ack.device.deviceId)',
    replace: `let slot = mailbox === undefined ? -1 : slotOf(mailbox, ack.device.deviceId)
  if (mailbox !== undefined && slot === -1) {
    slot = mailbox.cursors.indexOf(undefined)
    mailbox.cursors[slot] = { deviceId: ack.device.deviceId, ackedSeq: 0 }
    draft.changedMailboxes.add(mailbox.accountId)
  }`,
  },
  {
    name: 'old-epoch-accepted',
    breaks: "The store refuses another epoch's requests.",
    schedule: 'an ack of an older history arrives late',
    file: `${STORE}/write.ts`,
    find: 'if (write.epoch === tx.epoch) return true',
    replace: "if (write.epoch === tx.epoch || write.kind === 'ack') return true",
  },
  {
    name: 'no-reconciliation',
    breaks: 'A lost doorbell is found by reconciliation.',
    file: `${GATEWAY}/reconcile.ts`,
    find: 'else if (session.rung(head.headSeq, [])) events.doorbellLost()',
    replace: '',
  },
  {
    name: 'never-asks-again',
    breaks: 'A lost second tick is asked for.',
    file: `${SDK}/asker.ts`,
    find: 'if (!isDrained) return',
    replace: 'if (isDrained || !isDrained) return',
  },
  {
    name: 'dedupe-off',
    breaks: 'A message has its effect once, under the name of the original.',
    schedule: 'the history goes back beneath a message that was delivered',
    file: `${SDK}/apply.ts`,
    find: "return isKnown ? NOTHING : { as: 'message', message }",
    replace: "return isKnown && !isKnown ? NOTHING : { as: 'message', message }",
  },
  {
    name: 'service-clock',
    breaks: "One clock counts: the database's.",
    file: `${STORE}/locks.ts`,
    find: 'createPicture(clock?.now_ms ?? Number.NaN)',
    replace: 'createPicture(clock === undefined ? Number.NaN : Date.now())',
  },
  {
    name: 'ack-before-durable',
    breaks: 'Nothing is acknowledged before it is durable.',
    file: `${SDK}/turn.ts`,
    find: 'if (drafted.size > 0) await storage.commit([...drafted.values()])',
    replace: `settle()
    if (drafted.size > 0) await storage.commit([...drafted.values()])`,
  },
  {
    name: 'hole-in-numbers-accepted',
    breaks: 'A hole in the numbers is never skipped.',
    schedule: 'Postgres is gone between two batches of one device',
    file: `${STORE}/append.ts`,
    find: 'if (sending.prevNo !== sender.sentNo)',
    replace: 'if (sending.prevNo < sender.sentNo)',
  },
  {
    name: 'claimed-before-locked',
    breaks: 'Mailboxes are locked before entries are touched.',
    schedule: 'acks meet expiry',
    file: `${STORE}/expire.ts`,
    find: 'const picture = await lock(tx, accountIds)',
    replace: `for (const { account_id: id } of found) {
      await tx.rows({
        text: 'select 1 from mailbox.entry where account_id = $1::uuid for update skip locked',
        values: [id],
      })
    }
    const picture = await lock(tx, accountIds)`,
  },
  {
    name: 'notices-make-room',
    breaks: 'Notices never expire, and never make room.',
    file: `${STORE}/rooms.ts`,
    find: "where e.expires_at <> 'infinity'",
    replace: 'where true',
    test: {
      project: 'services',
      file: 'services/envelope-store/test/quota.test.ts',
      name: 'a send waits until its sender has read what waits there',
    },
  },
  {
    name: 'contents-by-key-alone',
    breaks: "What mailboxes share is never another's: contents with one key are not in one event.",
    file: 'services/delivery-fanout/src/route.ts',
    find: 'if ((contents.get(content.key) ?? content) !== content) return false',
    replace: '',
    test: {
      project: 'unit',
      file: 'services/delivery-fanout/src/route.test.ts',
      name: 'contents of two messages that have the same key are not in one event',
    },
  },
  {
    name: 'copies-unbound',
    breaks: 'A sealed copy is of no use in another mailbox.',
    file: `${STORE}/sealed-copies.ts`,
    find: 'if (!timingSafeEqual(binding, copy.subarray(-BINDING_BYTES))) {',
    replace: 'if (binding.length === 0) {',
    test: {
      project: 'unit',
      file: 'services/envelope-store/src/sealed.test.ts',
      name: 'copies that are sealed once: every byte counts, and the tag',
    },
  },
  {
    name: 'synchronous-commit-off',
    breaks: 'A first tick says that a message is on the disk.',
    file: `${STORE}/transaction.ts`,
    find: '  set enable_bitmapscan = off;',
    replace: '  set enable_bitmapscan = off; set synchronous_commit = off;',
    test: {
      project: 'relay',
      file: 'test/faults/power-cut.test.ts',
      name: 'power cuts lose nothing ticked',
    },
  },
]
