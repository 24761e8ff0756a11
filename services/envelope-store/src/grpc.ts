// From gRPC to the store's commands and back; no logic.

import type { Implementation } from '@twotick/chassis'
import {
  type AccountId,
  type Address,
  type DeviceAddress,
  isAccountId,
  parseAddress,
  TAG_BYTES,
} from '@twotick/protocol'
import type { EnvelopeStoreService, WriteReply } from '@twotick/protocol/services'
import assert from 'node:assert/strict'
import { HEADS_MAX } from './heads.ts'
import { STATUS_ITEMS_MAX } from './status.ts'
import type { Store } from './store.ts'
import type { Written } from './outcome.ts'

export function answerGrpc(store: Store): Implementation<EnvelopeStoreService> {
  return {
    getEpoch: async () => ({ epoch: await store.epoch() }),
    write: async ({ epoch, appends, acks }, answer) => {
      const replies = collectReplies(answer)
      await Promise.all([
        ...appends.map((append) =>
          store.append(epoch, append).then((written) => replies.add(append.id, written)),
        ),
        ...acks.map((ack) => store.ack(epoch, ack).then((written) => replies.add(ack.id, written))),
      ])
      replies.flush()
    },
    openSession: ({ epoch, device, afterSession }) =>
      store.openSession({ epoch, device: required(device), afterSession }),
    fetch: (request) => store.fetch(required(request.device), request),
    getHeads: ({ devices, epoch }) => {
      assert(devices.length <= HEADS_MAX)
      return store.heads(devices.map(required), epoch)
    },
    getStatus: ({ epoch, asker, recipientAccountId, items }) => {
      assert(items.length <= STATUS_ITEMS_MAX && items.every(({ tag }) => tag.length === TAG_BYTES))
      const question = {
        asker: required(asker),
        recipientAccountId: requiredAccount(recipientAccountId),
        items,
      }
      return store.status(question, epoch)
    },
    createMailbox: ({ device, epoch }) => store.createMailbox(required(device), epoch),
    addDevice: ({ device, epoch }) => store.addDevice(required(device), epoch),
    removeDevice: ({ device, epoch }) => store.removeDevice(required(device), epoch),
    deleteMailbox: ({ accountId, epoch }) => store.deleteMailbox(requiredAccount(accountId), epoch),
    expire: (request) => store.expire(request),
    countWaiting: (request) => store.countWaiting(request),
  }
}

/** An address that is none is a bug of the caller's: every caller has checked it before. */
function required(address: Address | undefined): DeviceAddress {
  const parsed = parseAddress(address)
  assert(parsed !== undefined, 'the request names no device')
  return parsed
}

function requiredAccount(accountId: string): AccountId {
  assert(isAccountId(accountId), 'the request names no account')
  return accountId
}

/** Puts verdicts that come in one turn of the event loop, as those of one transaction, in one frame. */
function collectReplies(answer: (reply: WriteReply) => void) {
  let waiting: WriteReply | undefined
  const flush = () => {
    if (waiting !== undefined) answer(waiting)
    waiting = undefined
  }
  return {
    flush,
    add(id: number, { epoch, outcome }: Written) {
      if (waiting?.epoch !== epoch) {
        flush()
        setImmediate(flush)
      }
      waiting ??= { epoch, verdicts: [] }
      waiting.verdicts.push({ id, outcome })
    },
  }
}
