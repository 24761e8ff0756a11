// The composition root.

import { randomBytes } from 'node:crypto'
import type { Scope } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import { openBackends } from './backends.ts'
import { createBudget } from './budget.ts'
import type { Config } from './config.ts'
import { createDirectory } from './directory.ts'
import { answerDoorbells } from './doorbell.ts'
import { createEpochs } from './epoch.ts'
import { createEvents } from './events.ts'
import { drain, sayGoodbye } from './goodbye.ts'
import { openListener } from './listener.ts'
import { createReception } from './reception.ts'
import { reconcile } from './reconcile.ts'
import { createRegistry } from './registry.ts'
import { createSignals } from './signal.ts'
import { watchSilence } from './silence.ts'
import { holdLease } from './takeover.ts'

export async function start(config: Config, scope: Scope): Promise<{ port: number }> {
  const { defer, log, stopping } = scope
  const gatewayId = randomBytes(8).toString('hex')
  const events = createEvents(log)
  const epochs = createEpochs()
  const registry = createRegistry()
  const backends = await openBackends(config, epochs, scope)
  const { store, directoryClient, validation, redis, bus } = backends

  const lease = holdLease({ gatewayId, redis, registry, events }, scope)
  const { allSendsMax, allSendBytesMax, reconcileMs } = config
  const budget = createBudget({ countMax: allSendsMax, bytesMax: allSendBytesMax })
  const directory = createDirectory({
    validation: directoryClient,
    store,
    epochs,
    events,
    answerMs: config.answerMs,
    onUnlinked: registry.unlinked,
  })
  const signals = createSignals({ validation, bus, events, isLoaded: budget.isSpent })
  const receive = createReception(
    {
      handshake: { validation: directoryClient, store, directory, epochs, events },
      connection: { ...backends, epochs, events, directory, signals },
      takeover: { gatewayId, redis, bus, lease, events },
      registry,
    },
    {
      ...config,
      budget,
      limits: { entriesMax: config.windowEntriesMax, bytesMax: config.windowBytesMax },
      isServed: servedBy(config.audiences),
      isDraining: () => stopping.aborted,
    },
  )

  const reconciliation = reconcile(
    { registry, store, epochs, events },
    { reconcileMs, signal: stopping },
  )
  defer('reconciliation', () => reconciliation.ended)
  const doorbells = answerDoorbells(bus, { gatewayId, registry, reconciliation, events })
  defer('doorbells', () => doorbells.close())
  epochs.onChange((epoch) => {
    const old = registry.all().filter((session) => session.epoch !== epoch)
    events.epochChanged(old.length)
    void sayGoodbye(old, RefusalCode.EPOCH_CHANGED, { overMs: 1_000, retryAfterMs: 100 })
  })

  const listener = await openListener(config, events, (socket) => void receive(socket))
  defer('listener', () => listener.close())
  watchSilence(listener.sockets, { silenceMs: config.silenceMs, signal: stopping })
  defer('sessions', () => drain(listener, registry, { overMs: config.goodbyeMs, events }))
  scope.ready()
  return { port: listener.port }
}

function servedBy(audiences: string): (audience: string) => boolean {
  const names = new Set(audiences.split(',').map((name) => name.trim().toLowerCase()))
  return (audience) => names.has('*') || names.has(audience)
}
