// Whole devices, but for the socket, against the model relay, frame by frame: what happens to them is
// a list of commands, so that a property test can make any history and shrink the one that fails.

import { RefusalCode, type Address } from '@twotick/protocol'
import { assemble } from '../src/assemble.ts'
import { plainCodec, type Codec } from '../src/codec.ts'
import { createEmitter } from '../src/emitter.ts'
import { StoppedError } from '../src/errors.ts'
import type { DeviceEvents } from '../src/events.ts'
import type { Link, UpFrame } from '../src/link.ts'
import { load } from '../src/load.ts'
import { memoryStorage, type Message, type Storage } from '../src/storage.ts'
import { createModelRelay, type DownFrame, type History } from './model-relay.ts'

type Relay = ReturnType<typeof createModelRelay>
type Parts = ReturnType<typeof assemble>

const ALICE = '11111111-1111-4111-8111-111111111111'
export const BOB = '22222222-2222-4222-8222-222222222222'

/** A storage that remembers every message that had its effect. */
function watched(effects: string[]): Storage {
  const storage = memoryStorage()
  return {
    ...storage,
    async commit(changes) {
      await storage.commit(changes)
      for (const { table, value } of changes) {
        if (table !== 'inbox' || value === undefined) continue
        const { sender, no, body } = value as Message
        effects.push(`${sender.deviceId}:${no}:${new TextDecoder().decode(body)}`)
      }
    },
  }
}

/** Everything that is ready now runs; nothing here waits for a clock. */
async function rest(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise(setImmediate)
}

/** A device without a socket: frames lie in `up` and `down` until a command moves one. */
function createSimulated(relay: Relay, own: Address) {
  const effects: string[] = []
  const failures: number[] = []
  const storage = watched(effects)
  const state = { decodesToFail: 0, isForked: false }
  let parts: Parts | undefined
  let link: Link | undefined
  let up: UpFrame[] = []
  let down: DownFrame[] = []

  const codec: Codec = {
    ...plainCodec,
    decode(envelope) {
      if (state.decodesToFail === 0) return plainCodec.decode(envelope)
      state.decodesToFail -= 1
      throw new Error('cannot be processed')
    },
  }

  async function start(): Promise<void> {
    const events = createEmitter<DeviceEvents>()
    events.on('not-processable', ({ no }) => failures.push(no))
    parts = assemble({
      ...{ storage, own, events, codec, loaded: await load(storage) },
      receives: true,
      askSchedule: { firstMs: 1e9, everyMs: 1e9, oldEvery: 1 },
      fail(error) {
        throw error
      },
      fork: () => void (state.isForked = true),
    })
    parts.inbox.handle(() => undefined)
  }

  /** Whatever is under way is lost. */
  function cut(): void {
    const row = relay.device(own)
    if (row) row.say = undefined
    link = undefined
    up = []
    down = []
  }

  function drop(): void {
    const wasOpen = link !== undefined
    cut()
    if (wasOpen) parts?.session.lost({ code: 0, detail: '', retryAfterMs: 0 })
  }

  return {
    ...{ effects, failures, state, start, drop },
    isConnected: () => link !== undefined,
    outbox: () => parts?.outbox,
    messages: () => [...(parts?.book.messages.values() ?? [])],

    connect(): void {
      drop()
      link = {
        send: (frame) => void up.push(frame),
        bufferedBytes: () => 0,
        opened: () => undefined,
        waits: () => undefined,
        close: drop,
      }
      relay.open(own, (frame) => void down.push(frame))
    },

    /** The process is gone between two commits. */
    async crash(): Promise<void> {
      cut()
      const error = new StoppedError('closed')
      parts?.turns.stop(error)
      parts?.session.stop(error)
      await parts?.inbox.stop()
      await start()
    },

    hear(frame: DownFrame): void {
      if (link) parts?.session.frame(frame, link)
    },

    toRelay(): boolean {
      const frame = up.shift()
      const row = relay.device(own)
      if (!frame || !row) return false
      relay.onFrame(row, frame)
      return true
    },

    toDevice(): boolean {
      const frame = down.shift()
      if (!frame || !link) return false
      parts?.session.frame(frame, link)
      return true
    },
  }
}

export type Command =
  | { readonly do: 'send' | 'connect' | 'drop' | 'crash' | 'up' | 'flow'; readonly who: number }
  | { readonly do: 'expire' | 'fail' | 'refuse' | 'copy' | 'rollback'; readonly who: number }
  | { readonly do: 'mute'; readonly who: number }

export type World = Awaited<ReturnType<typeof createWorld>>

export async function createWorld() {
  const relay = createModelRelay()
  const key = (byte: number) => Uint8Array.of(byte)
  const addresses = [
    relay.addDevice(key(1), ALICE),
    relay.addDevice(key(2), BOB),
    relay.addDevice(key(3), BOB),
  ]
  const devices = addresses.map((own) => createSimulated(relay, own))
  for (const device of devices) {
    await device.start()
    device.connect()
  }
  const [alice] = devices
  const copies: History[] = [relay.copy()]
  let refusals = 0
  let sent = 0
  let epochs = 1
  relay.rules.refuse = () => (refusals-- > 0 ? RefusalCode.UNKNOWN_RECIPIENT : undefined)

  async function run({ do: command, who }: Command): Promise<void> {
    const device = devices[who % devices.length]!
    if (command === 'send') {
      sent += 1
      const body = new TextEncoder().encode(String(sent))
      void alice?.outbox()?.send({ to: { account: BOB }, body })
    }
    if (command === 'connect') device.connect()
    if (command === 'drop') device.drop()
    if (command === 'crash') await device.crash()
    if (command === 'up') for (let count = 0; count <= who % 4; count += 1) device.toRelay()
    if (command === 'flow') for (let count = 0; count <= who % 12; count += 1) await move()
    if (command === 'mute') relay.rules.ticks = !relay.rules.ticks
    if (command === 'expire') relay.expire(BOB, (who % relay.mailbox(BOB).length) + 1)
    if (command === 'fail') device.state.decodesToFail = 1
    if (command === 'refuse') refusals = 1
    if (command === 'copy') copies.push(relay.copy())
    if (command === 'rollback') {
      devices.forEach((each) => each.drop())
      epochs += 1
      relay.restore(relay.copy(copies[who % copies.length]), `epoch-${epochs}`)
    }
    await rest()
  }

  /** One frame each way for each device. False: there was none. */
  async function move(): Promise<boolean> {
    const moved = devices.map((device) => [device.toRelay(), device.toDevice()])
    await rest()
    return moved.flat().includes(true)
  }

  /** No more faults: all connect, and frames go to and fro until nobody has anything to say. */
  async function finish(): Promise<void> {
    refusals = 0
    relay.rules.refuse = () => undefined
    for (const device of devices) {
      device.state.decodesToFail = 0
      device.connect()
    }
    for (let idle = 0; idle < 3;) {
      const moved = devices.map((device) => [device.toRelay(), device.toDevice()])
      await rest()
      const isIdle = !moved.flat().includes(true)
      if (isIdle) alice?.hear({ $case: 'resync', value: {} })
      idle = isIdle ? idle + 1 : 0
    }
  }

  return { run, finish, devices, sentCount: () => sent }
}
