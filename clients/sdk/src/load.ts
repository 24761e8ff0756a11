// Reads what a storage holds, when a device is opened.

import { FIRST_SENT_TAG } from '@twotick/protocol'
import type { LaneSend } from './sender.ts'
import { listAll, SELF, type Receiving, type Row, type Sending, type Storage } from './storage.ts'

const FIRST_SENDING: Sending = {
  epoch: '',
  lastNo: 0,
  acceptedNo: 0,
  acceptedTag: FIRST_SENT_TAG,
}
const FIRST_RECEIVING: Receiving = { position: 0, inboxNo: 0 }

export type Loaded = Awaited<ReturnType<typeof load>>

export async function load(storage: Storage) {
  const values = <V>(rows: readonly { value: V }[]) => rows.map(({ value }) => value)
  const attempts = values(await listAll(storage, 'attempt'))
  const payloads = new Map((await listAll(storage, 'payload')).map(numbered))
  const unanswered = attempts.flatMap((attempt): LaneSend[] => {
    const payload = payloads.get(attempt.no)
    const { no, tag } = attempt
    return payload ? [{ no, tag, attempt, payload }] : []
  })
  return {
    sending: (await storage.read('sending', SELF)) ?? FIRST_SENDING,
    receiving: (await storage.read('receiving', SELF)) ?? FIRST_RECEIVING,
    messages: values(await listAll(storage, 'message')),
    wishes: values(await listAll(storage, 'wish')),
    failed: values(await listAll(storage, 'failed')).map(({ seq }) => seq),
    inbox: await listAll(storage, 'inbox'),
    attempts,
    unanswered,
  }
}

function numbered({ key, value }: Row<'payload'>) {
  return [Number(key), value] as const
}
