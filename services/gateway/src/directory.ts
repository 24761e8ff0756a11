// A device's requests to the directory. Where an answer needs a step at the store (a device linked or
// unlinked), that is done at once, before the answer is handed on; what fails half-way is finished
// by the expiry service.

import { unary } from '@twotick/chassis'
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

const CALL_MS = 1_900
const RETRY_AFTER_MS = 1_000

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
  /** Told which devices have lost their cursor just now; `deviceId` 0: all of the account. */
  readonly onUnlinked: (device: Address) => void
}

/** Its functions reject when a service does not answer. */
export function createDirectory(parts: DirectoryParts): Directory {
  const { validation } = parts
  return {
    async ask(asker, request) {
      const { requestId } = request
      const reply = await unary(validation, 'ask', { asker, request }, { deadlineMs: CALL_MS })
      const refusal = reply.refusal ?? (await finished(parts, reply.pending))
      if (refusal !== undefined) return { requestId, body: { $case: 'refusal', value: refusal } }
      if (reply.response === undefined) throw new Error('an answer without a response')
      return { ...reply.response, requestId }
    },
    register: async (request) =>
      registered(
        parts,
        await unary(validation, 'registerAccount', request, { deadlineMs: CALL_MS }),
      ),
    claim: async (request) =>
      registered(parts, await unary(validation, 'claimDevice', request, { deadlineMs: CALL_MS })),
  }
}

async function registered(parts: DirectoryParts, reply: DirectoryReply): Promise<Registered> {
  const refusal = reply.refusal ?? (await finished(parts, reply.pending))
  if (refusal !== undefined) return refusal
  if (reply.address === undefined) throw new Error('an answer without an address')
  return { address: reply.address }
}

/** Takes the step at the store, if there is one; undefined when it is done. */
async function finished(
  parts: DirectoryParts,
  pending: Pending | undefined,
): Promise<Refusal | undefined> {
  if (pending === undefined) return undefined
  const { validation, store, epochs } = parts
  const signal = AbortSignal.timeout(CALL_MS)
  const clients = { store, directory: validation }
  const epoch = epochs.current() || (await readEpoch(parts))
  let outcome = await finishPending(clients, pending, epoch, signal)
  if (outcome.at === 'refused' && outcome.refusal.code === RefusalCode.EPOCH_CHANGED) {
    outcome = await finishPending(clients, pending, await readEpoch(parts), signal)
  }
  for (const device of unlinkedBy(pending)) parts.onUnlinked(device)
  if (outcome.at === 'finished') return undefined
  return { code: RefusalCode.UNAVAILABLE, detail: 'begun', retryAfterMs: RETRY_AFTER_MS }
}

async function readEpoch({ store, epochs }: DirectoryParts): Promise<string> {
  const { epoch } = await unary(store, 'getEpoch', {}, { deadlineMs: CALL_MS })
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
