// Notices: what the server writes into a sender's mailbox about a message that some recipient will
// not get. An entry that leaves undelivered, whatever the way, leaves one closing notice for its
// sender in the same transaction. Notices owe no tick, never expire, never make room and are never
// refused: a tick is only ever believed because of them.

import { type AccountId, type DeviceAddress, type NoticeKind } from '@twotick/protocol'
import type { SealedContent } from '@twotick/protocol/services'
import { appendEntry, type Draft } from './draft.ts'
import { slotsOf } from './mailbox.ts'

export type Seal = (accountId: AccountId, tag: Uint8Array, content: SealedContent) => Uint8Array

/** A message by its name, with the tag that its notice is kept under. */
export interface Message {
  readonly sender: DeviceAddress
  readonly no: number
  readonly tag: Uint8Array
  /** Of a traced envelope: the span of its append. */
  readonly trace?: Uint8Array | undefined
}

export interface NoticeDraft {
  readonly message: Message
  readonly kind: NoticeKind
  readonly closing: boolean
  readonly recipients: Map<AccountId, number[]>
}

/** Notices in the making: one for each message and kind, however many recipients it names. */
export type Notices = Map<string, NoticeDraft>

/** Names a recipient of a message; no device ids: all that the message was for. */
export function addToNotice(
  notices: Notices,
  about: Pick<NoticeDraft, 'message' | 'kind' | 'closing'>,
  recipient: AccountId,
  ...deviceIds: number[]
): void {
  const { sender, no } = about.message
  const key = `${sender.accountId}/${sender.deviceId}/${no}/${about.kind}/${about.closing}`
  const notice = notices.get(key) ?? { ...about, recipients: new Map<AccountId, number[]>() }
  notices.set(key, notice)
  notice.recipients.set(recipient, [...(notice.recipients.get(recipient) ?? []), ...deviceIds])
}

/**
 * Appends the notices to their senders' mailboxes, which must be locked. A sender without a mailbox
 * or without a cursor has nobody left to tell. Returns how many were written.
 */
export function writeNotices(draft: Draft, notices: Notices, seal: Seal): number {
  let written = 0
  for (const notice of notices.values()) {
    const { sender, no, tag } = notice.message
    if (notice.closing) draft.tally.noticed += notice.recipients.size
    const mailbox = draft.picture.mailboxes.get(sender.accountId)
    if (mailbox === undefined || slotsOf(mailbox) === 0) continue
    const content = noticeContent(notice, no, draft.picture.nowMs)
    const sealed = seal(sender.accountId, tag, content)
    appendEntry(draft, mailbox, { tag, content, sealed }, { slots: 0, expiresAtMs: undefined })
    written += 1
  }
  notices.clear()
  return written
}

function noticeContent(notice: NoticeDraft, no: number, nowMs: number): SealedContent {
  const { kind, closing, message } = notice
  const recipients = [...notice.recipients].map(([accountId, deviceIds]) => ({
    accountId,
    deviceIds,
  }))
  return {
    content: {
      $case: 'notice',
      value: { kind, deviceId: message.sender.deviceId, no, closing, recipients },
    },
    lifetimeS: 0,
    noticedAtMs: nowMs,
  }
}
