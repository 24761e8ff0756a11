// A device: the SDK's own parts on a simulated disk and line. It can crash at any step, and then begins
// again with what its disk holds.

import { addressKey, type DeviceAddress, EnvelopeType } from '@twotick/protocol'
import { ASK_SCHEDULE } from '../../clients/sdk/src/asker.ts'
import { assemble } from '../../clients/sdk/src/assemble.ts'
import { type Codec, plainCodec } from '../../clients/sdk/src/codec.ts'
import { type Connection, stayConnected } from '../../clients/sdk/src/connection.ts'
import { createEmitter } from '../../clients/sdk/src/emitter.ts'
import { StoppedError, type StopReason } from '../../clients/sdk/src/errors.ts'
import type { DeviceEvents } from '../../clients/sdk/src/events.ts'
import type { LinkEvents } from '../../clients/sdk/src/link.ts'
import { load } from '../../clients/sdk/src/load.ts'
import type { Change, Message, Records, To } from '../../clients/sdk/src/storage.ts'
import type { Turn } from '../../clients/sdk/src/turn.ts'
import type { DownFrame } from '../../services/gateway/src/socket.ts'
import { createDisk, type Disk, type DiskCopy } from './disk.ts'
import { createWatch } from './watch.ts'
import type { Lanes } from './lanes.ts'
import { createLine, type Cut, type Line } from './line.ts'
import type { Profile } from './profile.ts'
import type { Relay } from './relay.ts'

export interface DeviceOptions {
  readonly own: DeviceAddress
  readonly lanes: Lanes
  readonly profile: Profile
  readonly relay: Relay
  readonly violation: (what: string) => void
  /** How often the store was restored so far. */
  readonly restores: () => number
  /** Called with each frame that a gateway says to it; how often was it restored when it dialled? */
  readonly said: (frame: DownFrame, restores: number) => void
}

export type SimulatedDevice = ReturnType<typeof createDevice>

const HELLO = { signature: new Uint8Array(), clientName: '', clientVersion: '1', features: [] }
const LIFETIME_S = 600

export function createDevice(options: DeviceOptions) {
  const { own, lanes, profile, relay, violation, said } = options
  const name = addressKey(own)
  /** What is durable in its inbox, in order: sender's device and number. */
  const effects: string[] = []
  const had = new Set<string>()
  /** Sends that it could not process, as is durable: sender's device and number. */
  const failures = new Set<string>()
  const state = {
    decodesToFail: 0,
    dials: own.deviceId,
    stopped: undefined as StopReason | undefined,
    isOldCopy: false,
  }
  const watch = createWatch(name, violation)
  const disk: Disk = createDisk({ lanes, name, isFine: profile.isFineStorage, committed })
  let run: Run | undefined
  let line: Line | undefined
  let gatewayName = ''
  let copy: { readonly disk: DiskCopy; readonly effects: number } | undefined

  function committed({ table, value }: Change): void {
    if (value === undefined) return
    if (table === 'failed') failures.add(watch.nameOf((value as Records['failed']).seq))
    if (table !== 'inbox') return
    const { sender, no } = value as Message
    const message = `${addressKey(sender)} ${no}`
    effects.push(message)
    had.add(message)
  }

  const codec: Codec = {
    ...plainCodec,
    perDevice: profile.isPerDevice,
    encode(content, devices) {
      const encoded = plainCodec.encode(content, [])
      if (!profile.isPerDevice || !('ciphertext' in encoded)) return encoded
      return { parts: devices.map((address) => ({ address, ...encoded })) }
    },
    decode(envelope) {
      if (state.decodesToFail === 0) return plainCodec.decode(envelope)
      state.decodesToFail -= 1
      throw new Error('cannot be processed')
    },
  }

  function dial(_url: string, events: LinkEvents) {
    state.dials += 1
    const at = `${name} ${state.dials}`
    const restores = options.restores()
    const tell = (frame: DownFrame) => said(frame, restores)
    line = createLine({ lanes, name: at, events, said: tell, heard: watch.heard })
    watch.dialled()
    const gateway = relay.gateway(state.dials)
    gatewayName = gateway.name
    void gateway.receive(line.socket)
    return line.link
  }

  async function start(): Promise<void> {
    const events = createEmitter<DeviceEvents>()
    const loaded = await load(disk.storage)
    const at: { connection?: Connection } = {}

    function stop(reason: StopReason): void {
      state.stopped ??= reason
      at.connection?.stop()
      const error = new StoppedError(reason)
      parts.turns.stop(error)
      parts.session.stop(error)
      parts.outbox.stop(error)
      parts.inbox.stop().catch(() => undefined)
    }

    const parts = assemble({
      ...{ storage: disk.storage, own, events, codec, loaded, askSchedule: ASK_SCHEDULE },
      receives: true,
      fail(error) {
        violation(`${name} failed: ${error instanceof Error ? error.stack : String(error)}`)
        stop('storage-failed')
      },
      fork: (turn: Turn) => turn.after(() => stop('forked')),
    })
    parts.inbox.handle(() => undefined)
    const connection = stayConnected({
      url: 'ws://relay',
      dial,
      hello: () => Promise.resolve({ ...HELLO, address: own, audience: 'relay' }),
      frame: parts.session.frame,
      lost: parts.session.lost,
      final: stop,
    })
    at.connection = connection
    run = { parts, connection, stop }
  }

  function end(how: Cut): void {
    line?.cut(how)
    disk.crash()
    run?.stop('closed')
    run = undefined
    state.stopped = undefined
  }

  return {
    ...{ own, name, effects, failures, state, disk, watch, start },
    /** Whether it ever had it, durably. */
    has: (message: string) => had.has(message),
    messages: () => [...(run?.parts.book.messages.values() ?? [])],
    attempt: (no: number) => run?.parts.book.attempts.get(no),
    /** Whether something is still to be sent. */
    isBusy: () => (run?.parts.book.wishes.size ?? 0) > 0,
    isConnected: () => run?.parts.session.link() !== undefined,
    send(to: To, no: number): void {
      const body = Uint8Array.of(no)
      const message = { to, body, type: EnvelopeType.MESSAGE, lifetimeS: LIFETIME_S }
      run?.parts.outbox.send(message).catch(() => undefined)
    },
    redial: () => run?.connection.redial(),
    isAt: (gateway: string) => gatewayName === gateway,
    cut: (how: Cut) => line?.cut(how),

    /** After it has stopped. */
    async reopen(): Promise<void> {
      state.stopped = undefined
      await start()
    },

    /** The process is gone between two steps, and starts anew. */
    async crash(how: Cut): Promise<void> {
      if (run === undefined || state.stopped) return
      end(how)
      await start()
    },

    /** Keeps a copy of its disk, to go back to. */
    keepCopy(): void {
      copy = { disk: disk.copy(), effects: effects.length }
    },
    /** It begins again with the copy, and knows nothing of what was since. */
    async goBack(how: Cut): Promise<boolean> {
      if (run === undefined || state.stopped || copy === undefined) return false
      end(how)
      disk.restore(copy.disk)
      effects.length = copy.effects
      state.isOldCopy = true
      await start()
      return true
    },

    /** The process is gone, until it comes again. */
    leave(how: Cut): void {
      if (!state.stopped) end(how)
    },
    async come(): Promise<void> {
      if (run === undefined) await start()
    },
  }
}

interface Run {
  readonly parts: ReturnType<typeof assemble>
  readonly connection: Connection
  readonly stop: (reason: StopReason) => void
}
