// proto to functions and back; no logic.

import { implement, type ServedService } from '@twotick/chassis'
import {
  type DirectoryReply,
  MetadataValidationService,
  type ValidateReply,
} from '@twotick/protocol/services'
import { ask } from './ask.ts'
import { authenticate, type Doorkeeper } from './authenticate.ts'
import { sendsJudged } from './events.ts'
import { finishPending, listPending, PENDING_MAX } from './pending.ts'
import { claimDevice, registerAccount, type Registered, type Registration } from './register.ts'
import { beginValidation } from './traces.ts'
import { type Reader, type Snapshot, type TransactFor } from './transaction.ts'
import { markDormant, unlinkUnseen } from './unseen.ts'
import { type Validate } from './validate.ts'

/** What the methods are answered by. */
export interface Served {
  readonly db: Reader
  readonly transactFor: TransactFor
  readonly snapshot: Snapshot
  readonly validate: Validate
  readonly doorkeeper: Omit<Doorkeeper, 'transact'>
  readonly registration: Registration
  readonly unseenDays: number
}

/** The service's methods, as the proto has them. */
export function metadataValidation(served: Served): ServedService {
  const { db, transactFor } = served
  return implement(MetadataValidationService, {
    validate: async ({ sends }, answer: (reply: ValidateReply) => void) => {
      const endTraces = beginValidation(sends)
      const verdicts = await served.validate(sends)
      endTraces()
      sendsJudged(verdicts)
      answer({ verdicts })
    },
    authenticate: async (request, call) => {
      const doorkeeper = { ...served.doorkeeper, transact: transactFor(call) }
      const { refusal, ...found } = await authenticate(doorkeeper, request)
      if (refusal !== undefined) return { outcome: { $case: 'refusal', value: refusal } }
      const primary = 'isPrimary' in found && found.isPrimary
      return { outcome: { $case: 'authenticated', value: { primary } } }
    },
    registerAccount: async (request, call) =>
      registeredReply(await registerAccount(transactFor(call), served.registration, request)),
    claimDevice: async (request) => registeredReply(await claimDevice(db, request)),
    ask: (request, call) =>
      ask({ transact: transactFor(call), snapshot: served.snapshot }, request),
    finishPending: async ({ pending }, call) => {
      await finishPending(transactFor(call), pending)
      return {}
    },
    listPending: async ({ olderThanMs, pendingMax }) => ({
      pending: await listPending(db, olderThanMs, pendingMax),
    }),
    unlinkUnseen: async ({ pendingMax }, call) => {
      const transact = transactFor(call)
      const bounds = { days: served.unseenDays, max: Math.min(pendingMax, PENDING_MAX) }
      await markDormant(db, transact, bounds)
      return { pending: await unlinkUnseen(db, transact, bounds) }
    },
  })
}

function registeredReply(registered: Registered): DirectoryReply {
  if (registered.refusal !== undefined) {
    const { refusal } = registered
    return { pending: undefined, response: undefined, refusal, address: undefined }
  }
  const { address, pending } = registered
  return { pending, response: undefined, refusal: undefined, address }
}
