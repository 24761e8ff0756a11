// The parts of an open device, and what each gives the others. No logic.

import type { Address } from '@twotick/protocol'
import { createAsker, type AskSchedule } from './asker.ts'
import { openBook, type Happening } from './book.ts'
import type { Codec } from './codec.ts'
import { createDirectory } from './directory.ts'
import type { Emitter } from './emitter.ts'
import { RejectedError } from './errors.ts'
import type { DeviceEvents } from './events.ts'
import { createGranting } from './granting.ts'
import { createInbox } from './inbox.ts'
import type { Loaded } from './load.ts'
import { createOutbox } from './outbox.ts'
import { createReceiver } from './receiver.ts'
import { createRosters } from './rosters.ts'
import { createSender } from './sender.ts'
import { createSession } from './session.ts'
import type { Storage } from './storage.ts'
import { waitingPairs } from './ticks.ts'
import { createTurns, type Turn } from './turn.ts'

interface AssembleOptions {
  readonly storage: Storage
  readonly codec: Codec
  readonly own: Address
  readonly askSchedule: AskSchedule
  readonly receives: boolean
  readonly loaded: Loaded
  readonly events: Emitter<DeviceEvents>
  /** A local transaction failed. */
  readonly fail: (cause: unknown) => void
  /** The storage turned out to be an old copy. */
  readonly fork: (turn: Turn) => void
}

export function assemble(options: AssembleOptions) {
  const { storage, own, loaded, events } = options
  const { emit } = events
  const now = Date.now
  const turns = createTurns({
    storage,
    fail: options.fail,
    settle() {
      session.settle()
      outbox.resume()
    },
  })
  const { enter } = turns
  const book = openBook(loaded, now)
  const sender = createSender({ ...loaded, book, announce })
  const inbox = createInbox({
    rows: loaded.inbox,
    enter,
    handled: (message) => emit('message', message),
    failed: (message, cause) => emit('handler-failed', { message, cause }),
  })
  const receiver = createReceiver({
    ...options,
    ...loaded,
    now,
    arrived: inbox.add,
    couldNotProcess: (failure) => emit('not-processable', failure),
    noticed(turn, notice) {
      if (notice.deviceId === own.deviceId) sender.notice(turn, notice)
      const from = { accountId: own.accountId, deviceId: notice.deviceId }
      turn.after(() => emit('notice', { ...notice, sender: from }))
    },
  })
  const directory = createDirectory()
  const rosters = createRosters({ own, storage, directory, enter })
  const sending = { ...options, enter, rosters, sender, book, announce }
  const outbox = createOutbox(sending)
  const granting = createGranting(sending)
  const asker = createAsker({
    schedule: options.askSchedule,
    now,
    pairs: () => waitingPairs(book),
    send: (value) => session.link()?.send({ $case: 'statusQuery', value }),
  })
  const receiving = { sender, receiver, inbox, asker, granting, directory, rosters }
  const { receives, fork } = options
  const session = createSession({ ...receiving, receives, enter, emit, fork })

  function announce(happenings: readonly Happening[]): void {
    for (const happening of happenings) {
      outbox.settle(happening)
      tell(emit, happening)
    }
  }

  return { turns, enter, book, inbox, outbox, session, directory, rosters }
}

function tell(emit: Emitter<DeviceEvents>['emit'], happening: Happening): void {
  const { no } = happening
  if (happening.type === 'stored') emit('stored', { no, acceptedAtMs: happening.acceptedAtMs })
  if (happening.type === 'delivered') emit('delivered', { no, accountId: happening.accountId })
  if (happening.type === 'undelivered') emit('undelivered', { no, ...happening.undelivered })
  if (happening.type === 'rejected') {
    emit('rejected', { no, error: new RejectedError(no, happening.rejection) })
  }
}
