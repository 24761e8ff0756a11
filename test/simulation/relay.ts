// The relay's processes, each killable: stores, gateways, what fans out, all of their own code, on the
// simulated Postgres, network, bus and presence.

import type { Bus, HandleMessage, Logger } from '@twotick/chassis'
import { finishPending } from '@twotick/linking'
import { type DeviceAddress, RefusalCode } from '@twotick/protocol'
import {
  type Append,
  type EnvelopeStoreClient,
  type MetadataValidationClient,
  type Pending,
  PendingKind,
} from '@twotick/protocol/services'
import { readMatters } from '../../services/delivery-fanout/src/matter.ts'
import { route } from '../../services/delivery-fanout/src/route.ts'
import { createDoorbell, type Ring } from '../../services/envelope-store/src/doorbell.ts'
import { createStore, type Store } from '../../services/envelope-store/src/store.ts'
import { createEpochs } from '../../services/gateway/src/epoch.ts'
import { createEvents } from '../../services/gateway/src/events.ts'
import { createGateway } from '../../services/gateway/src/gateway.ts'
import { createRegistry } from '../../services/gateway/src/registry.ts'
import type { DeviceSocket } from '../../services/gateway/src/socket.ts'
import { answersOf } from './answers.ts'
import { clientOf, type Process } from './calls.ts'
import type { SimulatedDirectory } from './directory.ts'
import type { Lanes } from './lanes.ts'
import type { Database } from './postgres.ts'
import type { Profile } from './profile.ts'
import { createPresence } from './presence.ts'
import { createSealer } from './sealer.ts'
import { createWrites, type SimulatedWrites } from './writes.ts'

export interface RelayOptions {
  readonly lanes: Lanes
  readonly profile: Profile
  readonly database: Database
  readonly directory: SimulatedDirectory
  /** A gateway hands a send to the store, for these devices. */
  readonly handed: (append: Omit<Append, 'id'>, listed: readonly DeviceAddress[]) => void
  /** For what is only counted. */
  readonly happened: (what: string) => void
  /** Sees what each transaction of the store has written. */
  readonly committed: Ring
  /** A bug that a process has met. */
  readonly bug: (what: string, error: unknown) => void
}

interface StoreProcess extends Process {
  readonly store: Store
}

interface GatewayProcess extends Process {
  readonly receive: (socket: DeviceSocket) => Promise<void>
  readonly writes: SimulatedWrites
  readonly reconnected: () => void
  readonly stop: () => void
}

export type Relay = ReturnType<typeof createRelay>

export const REPLICAS = 2

export function createRelay(options: RelayOptions) {
  const { lanes, profile, database, directory } = options
  const presence = createPresence()
  told.bug = options.bug
  const sealer = createSealer()
  const subscribers = new Map<string, Set<HandleMessage>>()
  const directoryProcess: Process = { name: 'directory', isAlive: true }
  /** Links that were begun, and the epoch then. */
  const links: { readonly pending: Pending; readonly epoch: string }[] = []
  let started = 0

  /** Passes through delivery-fanout on its way. */
  function fanOut(subject: string, data: Uint8Array): void {
    const matters = readMatters(subject, data)
    const held = presence.lookUp(new Set(matters.map(({ accountId }) => accountId)))
    for (const ring of route(matters, profile.hasPresence ? held : undefined)) {
      for (const hear of [...(subscribers.get(ring.subject) ?? [])]) hear(ring.data, ring.subject)
    }
  }

  function publish(process: Process, subject: string, data: Uint8Array): boolean {
    if (!process.isAlive) return false
    if (subject.startsWith('gateway')) {
      const heard = [...(subscribers.get(subject) ?? [])]
      for (const hear of heard) lanes.addLoose('bus', () => hear(data, subject))
    } else lanes.addLoose('bus', () => fanOut(subject, data))
    return true
  }

  function startStore(): StoreProcess {
    const process: Process = { name: `store ${(started += 1)}`, isAlive: true }
    const ring = createDoorbell({ publish: (subject, data) => publish(process, subject, data) })
    const rung: Ring = (epoch, draft) => {
      if (!process.isAlive) return
      options.committed(epoch, draft)
      ring(epoch, draft)
    }
    const bounds = { itemsMax: 200, bytesMax: 1e9 }
    const config = { mailbox: profile.quota, batch: bounds, queue: bounds }
    const db = database.pool(process.name)
    const parts = { db, batchDb: db, sealer, ring: rung, log: logOf(options.bug) }
    return Object.assign(process, { store: createStore(parts, config as never) })
  }

  const stores = Array.from({ length: REPLICAS }, startStore)
  const calls = { lanes, isFine: profile.isFine }

  function storeFor(caller: Process): EnvelopeStoreClient {
    let turn = 0
    return clientOf({
      ...calls,
      caller,
      callee: () => {
        const process = stores[(turn += 1) % REPLICAS]!
        return { process, answers: answersOf(process.store) }
      },
    })
  }

  function directoryFor(caller: Process): MetadataValidationClient {
    const { answers } = directory
    return clientOf({ ...calls, caller, callee: () => ({ process: directoryProcess, answers }) })
  }

  function startGateway(): GatewayProcess {
    const process: Process = { name: `gateway${(started += 1)}`, isAlive: true }
    const stopping = new AbortController()
    const epochs = createEpochs()
    const registry = createRegistry()
    const stream = createWrites({ ...calls, caller: process, stores, epochs })
    const writes: SimulatedWrites = {
      ...stream,
      append(epoch, append) {
        options.happened('sends handed on')
        options.handed(append, directory.listedFor(append.recipientAccountIds))
        return stream.append(epoch, append)
      },
      ack(epoch, ack) {
        options.happened('acks handed on')
        return stream.ack(epoch, ack)
      },
    }
    const { bus, reconnected } = busFor(process)
    const store = storeFor(process)
    const directoryClient = directoryFor(process)
    const validation = {
      validate: (send: Parameters<typeof directory.validate>[0]) =>
        Promise.resolve(directory.validate(send)),
      close: () => undefined,
    }
    const receive = createGateway(
      {
        ...{ gatewayId: process.name, store, writes, directoryClient, validation, bus, epochs },
        ...{ registry, events, redis: presence.redis, lease: { rewriteSoon: () => undefined } },
      },
      { ...GATEWAY_CONFIG, ...profile.window },
      { defer: () => undefined, stopping: stopping.signal },
    )
    const stop = () => stopping.abort()
    return Object.assign(process, { receive, writes, reconnected, stop })
  }

  function busFor(process: Process) {
    const listeners: (() => void)[] = []
    const bus: Bus = {
      isConnected: () => true,
      publish: (subject, data) => publish(process, subject, data),
      subscribe(subject, handle) {
        const heard: HandleMessage = (data, at) => process.isAlive && handle(data, at)
        const all = subscribers.get(subject) ?? new Set()
        subscribers.set(subject, all.add(heard))
        return { close: () => all.delete(heard) }
      },
      onConnected: (listener) => void listeners.push(listener),
      flush: () => Promise.resolve(true),
      drain: () => Promise.resolve(),
    }
    const reconnected = () => {
      for (const listener of listeners) listener()
    }
    return { bus, reconnected }
  }

  const gateways = Array.from({ length: REPLICAS }, startGateway)

  return {
    gateway: (choice: number) => gateways[choice % REPLICAS]!,
    flushPresence: presence.flush,

    killStore(choice: number): void {
      const killed = stores[choice % REPLICAS]!
      killed.isAlive = false
      database.kill(killed.name)
      for (const { writes } of gateways) writes.lost(killed)
      stores[choice % REPLICAS] = startStore()
    },

    killGateway(choice: number): void {
      const killed = gateways[choice % REPLICAS]!
      killed.isAlive = false
      killed.stop()
      gateways[choice % REPLICAS] = startGateway()
    },

    /** The end of the world. */
    stop(): void {
      for (const gateway of gateways) gateway.stop()
    },

    /** The bus was away: whatever was on it is gone. */
    dropBus(): void {
      lanes.clear('bus')
      for (const { reconnected } of gateways) reconnected()
    },

    /** One pass of expiry over all mailboxes, and over what is half done. */
    async sweep(): Promise<void> {
      const epoch = await stores[0]!.store.epoch()
      await stores[0]!.store.expire({ epoch, ...EVERYTHING })
    },

    /** The store's step of an earlier link arrives once more. */
    repeatLink(choice: number): void {
      const { pending, epoch } = links[choice % links.length] ?? {}
      const at = stores[choice % REPLICAS]!
      if (!pending || epoch === undefined) return
      void at.store.addDevice(pending.device as DeviceAddress, epoch).catch(() => undefined)
    },

    /** The steps of one link or unlink, as any gateway or expiry takes them. */
    async finish(pending: Pending): Promise<void> {
      const linker: Process = { name: `linker ${(started += 1)}`, isAlive: true }
      const clients = { store: storeFor(linker), directory: directoryFor(linker) }
      const { signal } = new AbortController()
      const epoch = await stores[0]!.store.epoch()
      if (pending.kind === PendingKind.ADDING_DEVICE) links.push({ pending, epoch })
      const outcome = await finishPending(clients, pending, epoch, signal)
      if (outcome.at === 'refused' && !MAY_REFUSE.has(outcome.refusal.code)) {
        options.bug('link', outcome)
      }
    },
  }
}

/** Another history; an unlink is not through; the account is deleted. */
const MAY_REFUSE: ReadonlySet<RefusalCode> = new Set([
  RefusalCode.EPOCH_CHANGED,
  RefusalCode.DEVICE_LIMIT,
  RefusalCode.NOT_FOUND,
])

const EVERYTHING = { afterAccountId: '', mailboxesMax: 100, entriesMax: 500 }

const GATEWAY_CONFIG = {
  audiences: '*',
  handshakeMs: 10_000,
  silenceMs: 35_000,
  sendsMax: 8,
  sendBytesMax: 1e9,
  openingsPerSMax: 1_000,
  allSendsMax: 1_000,
  allSendBytesMax: 1e9,
  answerMs: 1_900,
  reconcileMs: 8_000,
  trace: { ratio: 0, accounts: '', perMinuteMax: 0 },
}

/** Of the world that is played now. */
const told: { bug: RelayOptions['bug'] } = { bug: () => undefined }

/** Metrics are the process's and stay registered, so all gateways of all worlds share theirs. */
const events = createEvents(logOf((what, error) => told.bug(what, error)))

/** Only what is a bug is of interest. */
function logOf(bug: RelayOptions['bug']): Logger {
  const quiet = () => undefined
  const log = { warn: quiet, info: quiet, debug: quiet }
  return {
    ...log,
    error: ({ error }: { error: unknown }, what: string) => bug(what, error),
  } as unknown as Logger
}
