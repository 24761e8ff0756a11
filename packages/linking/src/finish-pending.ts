// Whatever changes an account's devices takes a step in the directory and a step in the store, and
// no transaction spans both. The directory's row carries the intent (`Pending`), in the order that
// loses nothing: a device gets its cursor before the directory lists it, and loses it after it is
// listed no more. The gateway takes the remaining steps at once; what a crash leaves half done,
// expiry takes up. Every step may be repeated, and by several replicas at the same time.

import { unary } from '@twotick/chassis'
import { type Address, type Refusal, RefusalCode } from '@twotick/protocol'
import {
  type ChangeReply,
  type EnvelopeStoreClient,
  type MetadataValidationClient,
  type Pending,
  PendingKind,
} from '@twotick/protocol/services'

/** The deadline of one call. */
const CALL_MS = 2_000

/** Calls of RemoveDevice or DeleteMailbox in a row: each is bounded, and more is for next time. */
const STEPS_MAX = 1_000

export interface LinkingClients {
  readonly store: EnvelopeStoreClient
  readonly directory: MetadataValidationClient
}

export type FinishOutcome =
  | { readonly at: 'finished' }
  /** So much is left that it was not done within the bound: call again. */
  | { readonly at: 'unfinished' }
  /**
   * The store refused: EPOCH_CHANGED (call again with its new epoch), DEVICE_LIMIT (an earlier
   * removal is not finished yet) or NOT_FOUND (a device is to be added where no mailbox is). The
   * pending stays as it is.
   */
  | { readonly at: 'refused'; readonly refusal: Refusal }

/** The store's part of a pending: undefined once it is done. */
type StoreOutcome = Exclude<FinishOutcome, { at: 'finished' }> | undefined

interface Steps {
  readonly store: EnvelopeStoreClient
  readonly epoch: string
  readonly signal: AbortSignal
}

/**
 * Takes the store's steps of a pending, then reports them to the directory. Throws when a service
 * fails or the signal aborts: then it is half done, and calling again goes on from there.
 */
export async function finishPending(
  { store, directory }: LinkingClients,
  pending: Pending,
  epoch: string,
  signal: AbortSignal,
): Promise<FinishOutcome> {
  const left = await changeStore({ store, epoch, signal }, pending)
  if (left !== undefined) return left
  await unary(directory, 'finishPending', { pending }, { deadlineMs: CALL_MS, signal })
  return { at: 'finished' }
}

async function changeStore(steps: Steps, pending: Pending): Promise<StoreOutcome> {
  const device = deviceOf(pending)
  switch (pending.kind) {
    case PendingKind.CREATING_ACCOUNT:
      return createMailbox(steps, device)
    case PendingKind.ADDING_DEVICE:
      return addDevice(steps, device)
    case PendingKind.REMOVING_DEVICE:
      return removeDevice(steps, device)
    case PendingKind.DELETING_ACCOUNT:
      return deleteMailbox(steps, device.accountId)
    case PendingKind.REPLACING_DEVICE: {
      const evicted = { accountId: device.accountId, deviceId: pending.evictedDeviceId }
      return (await removeDevice(steps, evicted)) ?? addDevice(steps, device)
    }
    default:
      throw new Error(`linking: pending of an unknown kind ${pending.kind}`)
  }
}

async function createMailbox(
  { store, epoch, signal }: Steps,
  device: Address,
): Promise<StoreOutcome> {
  const options = { deadlineMs: CALL_MS, signal }
  return outcomeOf(await unary(store, 'createMailbox', { epoch, device }, options))
}

/** A late repetition adds nothing: a device that was unlinked meanwhile has its sender row. */
async function addDevice({ store, epoch, signal }: Steps, device: Address): Promise<StoreOutcome> {
  const options = { deadlineMs: CALL_MS, signal }
  return outcomeOf(await unary(store, 'addDevice', { epoch, device }, options))
}

function removeDevice({ store, epoch, signal }: Steps, device: Address): Promise<StoreOutcome> {
  const options = { deadlineMs: CALL_MS, signal }
  return untilDone(signal, () => unary(store, 'removeDevice', { epoch, device }, options))
}

function deleteMailbox({ store, epoch, signal }: Steps, accountId: string): Promise<StoreOutcome> {
  const options = { deadlineMs: CALL_MS, signal }
  return untilDone(signal, () => unary(store, 'deleteMailbox', { epoch, accountId }, options))
}

/** Takes bounded steps until the last one is done. What is not there (any more) is done. */
async function untilDone(
  signal: AbortSignal,
  step: () => Promise<ChangeReply>,
): Promise<StoreOutcome> {
  for (let steps = 0; steps < STEPS_MAX; steps += 1) {
    signal.throwIfAborted()
    const reply = await step()
    if (reply.done) return undefined
    if (reply.refusal === undefined) continue
    const isGone =
      reply.refusal.code === RefusalCode.NOT_FOUND || reply.refusal.code === RefusalCode.UNLINKED
    return isGone ? undefined : { at: 'refused', refusal: reply.refusal }
  }
  return { at: 'unfinished' }
}

function outcomeOf({ done, refusal }: ChangeReply): StoreOutcome {
  if (refusal !== undefined) return { at: 'refused', refusal }
  return done ? undefined : { at: 'unfinished' }
}

function deviceOf({ device }: Pending): Address {
  if (device === undefined) throw new Error('linking: a pending without a device')
  return device
}
