// One send, judged: exactly once, in the device's order, in every recipient's mailbox or in none.
//
// It is accepted if its session is the sender row's and prev_no = sent_no < no. Then every recipient
// account has its entry, or, where none of the devices that it is for has a cursor, the sender a
// closing notice. A full mailbox refuses the send if it is the only recipient; in a group it is left
// out, and one closing notice names all that were.

import { type AccountId, type DeviceAddress, NoticeKind, RefusalCode } from '@twotick/protocol'
import { addressKey, nextSentTag } from '@twotick/protocol'
import type { SealedContent } from '@twotick/protocol/services'
import { appendEntry, type Content, type Draft, senderOf } from './draft.ts'
import { cursorOf, type Mailbox, type Row, slotsOf } from './mailbox.ts'
import { addToNotice, type Notices, type Seal, writeNotices } from './notice.ts'
import { type Outcome, refused, stored } from './outcome.ts'
import { findRoom, makeRoom, type Quota } from './room.ts'

/** A send as the store takes it: what goes into each recipient's mailbox is sealed already. */
export interface Sending {
  readonly sender: DeviceAddress
  readonly session: number
  readonly no: number
  readonly prevNo: number
  readonly tag: Uint8Array
  readonly lifetimeS: number
  /** One for each recipient account, in no order. */
  readonly copies: readonly Copy[]
  /** For the sender's other devices; sealed only if there are any. */
  readonly ownContent: SealedContent
  /** What that takes, at most. */
  readonly ownBytesMax: number
  /** Of a traced envelope: the span of this append. */
  readonly trace?: Uint8Array | undefined
}

export interface Copy extends Content {
  readonly accountId: AccountId
  /** The devices that have a part; undefined: it is for all. */
  readonly deviceIds: readonly number[] | undefined
}

export interface AppendRules {
  readonly quota: Quota
  readonly seal: Seal
}

const MAILBOX_FULL_RETRY_MS = 60_000
const OWN_MAILBOX_FULL_RETRY_MS = 5_000

/**
 * Appends a send to the draft and returns `stored`, or refuses it and changes nothing: UNLINKED,
 * REPLACED, OUT_OF_ORDER, OWN_MAILBOX_FULL, MAILBOX_FULL. What the store has already is `stored`
 * again, whatever its tag.
 */
export function judgeAppend(draft: Draft, sending: Sending, rules: AppendRules): Outcome {
  const { picture } = draft
  const sender = senderOf(picture, sending.sender)
  const own = picture.mailboxes.get(sending.sender.accountId)
  if (!sender || !own || !cursorOf(own, sending.sender.deviceId)) {
    return refused(RefusalCode.UNLINKED, 'the device has no cursor')
  }
  if (sender.session !== sending.session) {
    return refused(RefusalCode.REPLACED, 'a newer session of the device is open')
  }
  if (sending.no <= sender.sentNo) return stored(picture.nowMs)
  if (sending.prevNo !== sender.sentNo) {
    return refused(RefusalCode.OUT_OF_ORDER, `prev_no is not ${sender.sentNo}`)
  }

  const plan = planDelivery(draft, sending, own, rules)
  if ('$case' in plan) return plan
  for (const { mailbox, content, slots, leaving } of plan.deliveries) {
    makeRoom(draft, mailbox, leaving)
    appendEntry(draft, mailbox, content, { slots, expiresAtMs: plan.expiresAtMs })
  }
  if (plan.notices !== undefined) writeNotices(draft, plan.notices, rules.seal)
  draft.tally.accepted += sending.copies.length
  sender.sentNo = sending.no
  sender.sentTag = nextSentTag(sender.sentTag, sending.tag)
  draft.changedSenders.add(addressKey(sending.sender))
  return stored(picture.nowMs)
}

interface Delivery {
  readonly mailbox: Mailbox
  readonly content: Content
  readonly slots: number
  readonly leaving: readonly Row[]
}

interface Plan {
  readonly deliveries: Delivery[]
  readonly expiresAtMs: number
  notices: Notices | undefined
}

/** Where the send goes and what must leave for it; or why it cannot go. Changes nothing. */
function planDelivery(
  draft: Draft,
  sending: Sending,
  own: Mailbox,
  rules: AppendRules,
): Plan | Outcome {
  const { nowMs, mailboxes, rooms } = draft.picture
  const expiresAtMs = nowMs + sending.lifetimeS * 1000
  const plan: Plan = { deliveries: [], expiresAtMs, notices: undefined }
  const addNotice = (accountId: AccountId, kind: NoticeKind) => {
    plan.notices ??= new Map()
    addToNotice(plan.notices, { message: sending, kind, closing: true }, accountId)
  }

  const ownCopy = sealOwnCopy(sending, own, rules.seal)
  const ownLeaving = findRoom(rooms, own, ownCopy?.sealed.length ?? 0, rules.quota)
  if (ownLeaving === undefined) {
    const detail = "the sender's own mailbox is full"
    return refused(RefusalCode.OWN_MAILBOX_FULL, detail, OWN_MAILBOX_FULL_RETRY_MS)
  }
  if (ownCopy !== undefined) {
    plan.deliveries.push({ mailbox: own, content: ownCopy, slots: 0, leaving: ownLeaving })
  }

  for (const copy of sending.copies) {
    const mailbox = mailboxes.get(copy.accountId)
    const slots = mailbox === undefined ? 0 : slotsOf(mailbox, copy.deviceIds)
    if (mailbox === undefined || slots === 0) {
      addNotice(copy.accountId, NoticeKind.UNDELIVERABLE)
      continue
    }
    const leaving = findRoom(rooms, mailbox, copy.sealed.length, rules.quota)
    if (leaving !== undefined) {
      plan.deliveries.push({ mailbox, content: copy, slots, leaving })
    } else if (sending.copies.length === 1) {
      const detail = "the recipient's mailbox is full"
      return refused(RefusalCode.MAILBOX_FULL, detail, MAILBOX_FULL_RETRY_MS)
    } else {
      addNotice(copy.accountId, NoticeKind.LEFT_OUT)
    }
  }
  return plan
}

function sealOwnCopy(sending: Sending, own: Mailbox, seal: Seal): Content | undefined {
  const { deviceId } = sending.sender
  if (!own.cursors.some((cursor) => cursor !== undefined && cursor.deviceId !== deviceId)) {
    return undefined
  }
  const { tag, ownContent: content } = sending
  return { tag, content, sealed: seal(own.accountId, tag, content) }
}
