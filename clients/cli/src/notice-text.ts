// What a person reads of a notice: why somebody did not get a message.

import { NoticeKind } from '@twotick/sdk'

const REASON: Partial<Record<NoticeKind, string>> = {
  [NoticeKind.EXPIRED]: 'nobody fetched it in time',
  [NoticeKind.UNDELIVERABLE]: 'the account or device is gone',
  [NoticeKind.UNPROCESSABLE]: 'their device cannot read it',
  [NoticeKind.LEFT_OUT]: 'the mailbox is full',
}

/** `nobody fetched it in time`; empty where nothing is known. */
export function reason(kind: NoticeKind | undefined): string {
  return (kind !== undefined && REASON[kind]) || ''
}

/** `: nobody fetched it in time`, to stand behind a sentence. */
export function because(kind: NoticeKind | undefined): string {
  const text = reason(kind)
  return text === '' ? '' : `: ${text}`
}
