// A device's requests to the directory. Where an answer needs a step at the store (a device linked or
// unlinked), that is done at once, before the answer is handed on; what fails half-way is finished
// by the expiry service.

import { unary, type UnaryOptions } from '@twotick/chassis'
import { finishPending } from '@twotick/linking'
import {
  type Address,
  type Refusal,
  RefusalCode,
  type Request,
  type Response,
} from '@twotick/protocol'
import {
  type ClaimDeviceRequest,
  type DirectoryReply,
  type EnvelopeStoreClient,
  type MetadataValidationClient,
  type Pending,
  PendingKind,
  type RegisterAccountRequest,
} from '@twotick/protocol/services'
import type { Epochs } from './epoch.ts'
import type { GatewayEvents } from './events.ts'

/** What was asked is under way; asking again later finds it done. */
const BEGUN: Refusal = { code: RefusalCode.UNAVAILABLE, detail: 'begun', retryAfterMs: 1_000 }

export type Registered = { readonly address: Address } | Refusal

export interface Directory {
  ask(asker: Address, request: Request): Promise<Response>
  register(request: RegisterAccountRequest): Promise<Registered>
  claim(request: ClaimDeviceRequest): Promise<Registered>
}

export interface DirectoryParts {
  readonly validation: MetadataValidationClient
  readonly store: EnvelopeStoreClient
  readonly epochs: Epochs
  readonly events: GatewayEvents
  /** Of one answer, with all that it takes. */
  readonly answerMs: number
  /** Told which devices have lost their cursor just now; `deviceId` 0: all of the account. */
  readonly onUnlinked: (device: Address) => void
}

/** Its functions reject when the directory does not answer. */
export function createDirectory(parts: DirectoryParts): Directory {
  const { validation } = parts
  return {
    async ask(asker, request) {
      const { requestId } = request
      const { reply, refusal } = await settled(parts, (options) =>
        unary(validation, 'ask', { asker, request }, options),
      )
      if (refusal !== undefined) return { requestId, body: { $case: 'refusal', value: refusal } }
      if (reply.response === undefined) throw new Error('an answer without a response')
      return { ...reply.response, requestId }
    },
    register: (request) =>
      registered(parts, (options) => unary(validation, 'registerAccount', request, options)),
    claim: (request) =>
      registered(parts, (options) => unary(validation, 'claimDevice', request, options)),
  }
}

type Call = (options: UnaryOptions & { signal: AbortSignal }) => Promise<DirectoryReply>

async function registered(parts: DirectoryParts, call: Call): Promise<Registered> {
  const { reply, refusal } = await settled(parts, call)
  if (refusal !== undefined) return refusal
  if (reply.address === undefined) throw new Error('an answer without an address')
  return { address: reply.address }
}

/** Asks the directory, and takes the step at the store if there is one, within one deadline. */
async function settled(parts: DirectoryParts, call: Call) {
  const { answerMs, onUnlinked } = parts
  const options = { deadlineMs: answerMs, signal: AbortSignal.timeout(answerMs) }
  const reply = await call(options)
  if (reply.refusal !== undefined || reply.pending === undefined) {
    return { reply, refusal: reply.refusal }
  }
  const isFinished = await finish(parts, reply.pending, options.signal)
  for (const device of unlinkedBy(reply.pending)) onUnlinked(device)
  return { reply, refusal: isFinished ? undefined : BEGUN }
}

/** Tries the step at the store; what is left of it expiry takes up. */
async function finish(
  parts: DirectoryParts,
  pending: Pending,
  signal: AbortSignal,
): Promise<boolean> {
  const { validation, store, epochs, events } = parts
  const clients = { store, directory: validation }
  try {
    const epoch = epochs.current() || (await readEpoch(parts, signal))
    let outcome = await finishPending(clients, pending, epoch, signal)
    if (outcome.at === 'refused' && outcome.refusal.code === RefusalCode.EPOCH_CHANGED) {
      outcome = await finishPending(clients, pending, await readEpoch(parts, signal), signal)
    }
    return outcome.at === 'finished'
  } catch (error) {
    events.failed('a step of the directory could not be finished', error)
    return false
  }
}

async function readEpoch(parts: DirectoryParts, signal: AbortSignal): Promise<string> {
  const { store, epochs, answerMs } = parts
  const { epoch } = await unary(store, 'getEpoch', {}, { deadlineMs: answerMs, signal })
  epochs.meet(epoch)
  return epoch
}

/** The directory lists these no more, however far the store is. */
function unlinkedBy({ kind, device, evictedDeviceId }: Pending): Address[] {
  if (device === undefined) return []
  if (kind === PendingKind.REPLACING_DEVICE) return [{ ...device, deviceId: evictedDeviceId }]
  const isUnlink = kind === PendingKind.REMOVING_DEVICE || kind === PendingKind.DELETING_ACCOUNT
  return isUnlink ? [device] : []
}
