// From gRPC to the store's commands and back; no logic.

import { Failure, type Implementation } from '@twotick/chassis'
import { type Address, type DeviceAddress, parseAddress } from '@twotick/protocol'
import type { EnvelopeStoreService, WriteReply } from '@twotick/protocol/services'
import { HEADS_MAX } from './heads.ts'
import type { Store } from './store.ts'
import type { Written } from './write.ts'

export function answerGrpc(store: Store): Implementation<EnvelopeStoreService> {
  const notYet = async () => {
    throw new Failure('UNAVAILABLE', 'not yet')
  }
  return {
    getEpoch: async () => ({ epoch: await store.epoch() }),
    write: async ({ epoch, appends, acks }, answer) => {
      const replies = collectReplies(answer)
      await Promise.all([
        ...appends.map(async (append) => replies.add(append.id, await store.append(epoch, append))),
        ...acks.map(async (ack) => replies.add(ack.id, await store.ack(epoch, ack))),
      ])
      replies.flush()
    },
    openSession: ({ device, epoch }) => store.openSession(required(device), epoch),
    fetch: (request) => store.fetch(required(request.device), request),
    getHeads: ({ devices, epoch }) => {
      if (devices.length > HEADS_MAX) throw new Error(`more than ${HEADS_MAX} heads at a time`)
      return store.heads(devices.map(required), epoch)
    },
    getStatus: notYet,
    createMailbox: ({ device, epoch }) => store.createMailbox(required(device), epoch),
    addDevice: ({ device, epoch }) => store.addDevice(required(device), epoch),
    removeDevice: notYet,
    deleteMailbox: notYet,
    expire: notYet,
  }
}

/** An address that is none is a bug of the caller's: every caller has checked it before. */
function required(address: Address | undefined): DeviceAddress {
  const parsed = parseAddress(address)
  if (parsed === undefined) throw new Error('the request names no device')
  return parsed
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
