// The composition root: four rounds that repeat, each at its own pace.

import { grpcClient, openCertificates, type Scope, unary } from '@twotick/chassis'
import { EnvelopeStoreClient, MetadataValidationClient } from '@twotick/protocol/services'
import type { Config } from './config.ts'
import { countWaiting } from './count.ts'
import { createEpoch } from './epoch.ts'
import { createEvents, type Round } from './events.ts'
import { repeat } from './repeat.ts'
import { sweep } from './sweep.ts'
import { finishHalfDone, unlinkUnseen } from './unlink.ts'

const EPOCH_CALL_MS = 2_000

export async function start(config: Config, scope: Scope): Promise<void> {
  const { defer, ready, stopping, log } = scope
  const certificates = openCertificates(config.service, scope)
  const { secretFile } = config.service
  const identity = { service: 'expiry', certificates, secretFile } as const
  const store = grpcClient(EnvelopeStoreClient, { ...identity, target: config.store.target })
  defer('store', () => store.close())
  const directory = grpcClient(MetadataValidationClient, {
    ...identity,
    target: config.validation.target,
  })
  defer('validation', () => directory.close())

  const events = createEvents(log)
  const epoch = createEpoch(async (signal) => {
    return (await unary(store, 'getEpoch', {}, { deadlineMs: EPOCH_CALL_MS, signal })).epoch
  })
  const sweeping = {
    store,
    epoch,
    events,
    mailboxesMax: config.sweepMailboxesMax,
    entriesMax: config.sweepEntriesMax,
  }
  const unlinking = {
    clients: { store, directory },
    epoch,
    events,
    pendingMax: config.unlinkPendingMax,
  }
  const halfDone = { ...unlinking, olderThanMs: config.unlinkAgeMs }

  const every = (intervalMs: number, round: Round) => ({
    intervalMs,
    signal: stopping,
    onFailure: (error: unknown) => events.failed(round, error),
  })
  const rounds = [
    repeat((signal) => sweep(sweeping, signal), every(config.sweepIntervalMs, 'sweep')),
    repeat(
      (signal) => finishHalfDone(halfDone, signal),
      every(config.unlinkIntervalMs, 'half done'),
    ),
    repeat((signal) => countWaiting(sweeping, signal), every(config.sweepIntervalMs, 'count')),
    repeat((signal) => unlinkUnseen(unlinking, signal), every(config.sweepIntervalMs, 'unseen')),
  ]
  defer('rounds', () => Promise.all(rounds))
  ready()
}
