// A gateway on the backends that it is given: sessions, doorbells, reconciliation. Where devices come
// from and how backends are reached is not here (start.ts), so the same gateway runs on simulated ones.

import type { Scope } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import type { Backends } from './backends.ts'
import { createBudget } from './budget.ts'
import type { SessionConfig } from './config.ts'
import { createDirectory } from './directory.ts'
import { answerDoorbells } from './doorbell.ts'
import type { Epochs } from './epoch.ts'
import type { GatewayEvents } from './events.ts'
import { sayGoodbye } from './goodbye.ts'
import { createOpenings } from './openings.ts'
import { createReception } from './reception.ts'
import { reconcile } from './reconcile.ts'
import type { Registry } from './registry.ts'
import { createSendTraces } from './send-traces.ts'
import { createSignals } from './signal.ts'
import type { DeviceSocket } from './socket.ts'
import type { TakeoverParts } from './takeover.ts'

export interface GatewayParts extends Omit<Backends, 'redis' | 'bus'>, TakeoverParts {
  readonly epochs: Epochs
  readonly registry: Registry
  readonly events: GatewayEvents
}

/** Returns what receives a device's connection. */
export function createGateway(
  parts: GatewayParts,
  config: SessionConfig,
  { defer, stopping }: Pick<Scope, 'defer' | 'stopping'>,
): (socket: DeviceSocket) => Promise<void> {
  const { gatewayId, store, directoryClient, bus, epochs, registry, events } = parts
  const { allSendsMax, allSendBytesMax, answerMs, reconcileMs } = config
  const budget = createBudget({ countMax: allSendsMax, bytesMax: allSendBytesMax, answerMs })
  const directory = createDirectory({
    validation: directoryClient,
    store,
    epochs,
    events,
    answerMs,
    onUnlinked: registry.unlinked,
  })
  const signals = createSignals({
    validation: parts.validation,
    bus,
    events,
    isLoaded: budget.isSpent,
  })
  const receive = createReception(
    {
      handshake: {
        ...{ validation: directoryClient, store, directory, epochs, events },
        openings: createOpenings(config.openingsPerSMax),
      },
      connection: {
        ...parts,
        directory,
        signals,
        openTraces: createSendTraces(traceRules(config)),
      },
      takeover: parts,
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
  return receive
}

function servedBy(audiences: string): (audience: string) => boolean {
  const names = new Set(audiences.split(',').map((name) => name.trim().toLowerCase()))
  return (audience) => names.has('*') || names.has(audience)
}

function traceRules({ trace: { ratio, accounts, perMinuteMax } }: Pick<SessionConfig, 'trace'>) {
  const accountIds = new Set(accounts.split(',').map((account) => account.trim()))
  return { ratio, accountIds, perMinuteMax }
}
