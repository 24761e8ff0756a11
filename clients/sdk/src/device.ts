// One device, open: its storage, its connection, and everything between. assemble.ts puts the parts
// together, turn.ts says how a device lives, session.ts what each frame does.

import { parseAddress, signedHello, type Challenge, type Hello } from '@twotick/protocol'
import type { Address, DeviceAddress } from '@twotick/protocol'
import { createAccountCalls, type AccountCalls } from './account.ts'
import { ASK_SCHEDULE, type AskSchedule } from './asker.ts'
import { assemble } from './assemble.ts'
import { plainCodec, type Codec } from './codec.ts'
import { stayConnected } from './connection.ts'
import { createEmitter, type Emitter } from './emitter.ts'
import { StoppedError, type StopReason } from './errors.ts'
import type { DeviceEvents } from './events.ts'
import type { MessageHandler } from './inbox.ts'
import { createSigner, type Sign } from './keys.ts'
import { load } from './load.ts'
import type { SendOptions } from './outbox.ts'
import { checkSignal } from './outgoing.ts'
import type { SentMessage } from './promises.ts'
import { audienceOf } from './register.ts'
import { SELF, type OutgoingMessage, type Storage } from './storage.ts'
import { sweepHourly } from './sweep.ts'
import type { Turn } from './turn.ts'

export interface DeviceOptions {
  readonly storage: Storage
  readonly clientName: string
  readonly clientVersion: string // dotted numbers
  /** Of the gateway, ws:// or wss://. By default the one that this device was made with. */
  readonly url?: string
  /** What goes between the application and the relay. By default `plainCodec`: no encryption. */
  readonly codec?: Codec
  /** Gets every message, in order, and is awaited; after a crash one may come again. */
  readonly onMessage?: MessageHandler
  /**
   * False: it takes nothing out of its mailbox, notices neither. What waits there keeps waiting, and
   * its senders are told the truth if the account is deleted. Default: true.
   */
  readonly receives?: boolean
  /** When second ticks are asked for. Tests shorten it. */
  readonly askSchedule?: AskSchedule
}

export interface Device extends AccountCalls {
  readonly address: Address
  readonly on: Emitter<DeviceEvents>['on']
  readonly off: Emitter<DeviceEvents>['off']
  /** Resolves once the message is durable here; see `SentMessage` for its ticks. */
  send(message: SendOptions): Promise<SentMessage>
  /** Sends a message that was rejected again. Its number here stays. */
  sendAgain(no: number): Promise<SentMessage>
  /** What became of a message so far; undefined: done more than a day ago, or never sent. */
  sent(no: number): OutgoingMessage | undefined
  /** Messages that are not done. */
  unfinished(): OutgoingMessage[]
  /** Adds a message handler; messages wait in the inbox until there is one. */
  onMessage(handler: MessageHandler): () => void
  /** To the devices of an account that are connected now, if any. */
  signal(accountId: string, ciphertext: Uint8Array): void
  isConnected(): boolean
  /** Dials anew, now: the network has changed, say. */
  redial(): void
  /** Ends the connection, waits for the handler at work, leaves the rest in the storage. */
  close(): Promise<void>
  /** Ends as a crash would, at once and whatever is under way. For tests. */
  abandon(): void
}

/** Opens the device of this storage and stays connected until it is closed or stopped. */
export async function openDevice(options: DeviceOptions): Promise<Device> {
  const { storage, codec = plainCodec, askSchedule = ASK_SCHEDULE, receives = true } = options
  const { identity, own, url } = await readIdentity(options)
  const sign = await createSigner(identity)
  const loaded = await load(storage)
  const events = createEmitter<DeviceEvents>()
  const parts = assemble({ storage, codec, own, askSchedule, receives, loaded, events, fail, fork })
  const { inbox, session, turns } = parts
  const stopSweeping = sweepHourly({ ...parts, storage, now: Date.now })
  const connection = stayConnected({
    url,
    hello: (challenge) => hello(challenge, { ...options, url, own, sign }),
    frame: session.frame,
    lost: session.lost,
    final: (reason, end) => stop(reason, end.detail),
  })
  if (options.onMessage) inbox.handle(options.onMessage)

  function fail(cause: unknown): void {
    stop('storage-failed', '', cause)
  }

  function fork(turn: Turn): void {
    turn.put('identity', SELF, { ...identity, forked: true })
    turn.after(() => stop('forked'))
  }

  function stop(reason: StopReason, detail = '', cause?: unknown): void {
    const error = new StoppedError(reason, detail, cause)
    stopSweeping()
    connection.stop()
    turns.stop(error)
    session.stop(error)
    parts.outbox.stop(error)
    inbox.stop().catch(() => undefined)
    if (reason !== 'closed' && reason !== 'storage-failed') events.emit(reason, error)
    events.emit('stopped', error)
  }

  async function close(): Promise<void> {
    connection.stop()
    await inbox.stop()
    // One more turn: everything that was entered before it is durable then.
    await turns.enter(() => undefined).catch(() => undefined)
    stop('closed')
  }

  return {
    ...createAccountCalls({ ...parts, own, sign }),
    ...{ address: own, on: events.on, off: events.off, redial: connection.redial, close },
    send: parts.outbox.send,
    sendAgain: parts.outbox.sendAgain,
    sent: (no) => parts.book.messages.get(no),
    unfinished: () => [...parts.book.messages.values()].filter((each) => !each.doneAtMs),
    onMessage: inbox.handle,
    signal(accountId, ciphertext) {
      checkSignal(accountId, ciphertext)
      session.link()?.send({ $case: 'signal', value: { accountId, ciphertext } })
    },
    isConnected: () => session.link() !== undefined,
    abandon: () => stop('closed'),
  }
}

async function readIdentity({ storage, url: given }: DeviceOptions) {
  const identity = await storage.read('identity', SELF)
  const own = parseAddress(identity?.address)
  const url = given ?? identity?.url
  if (!identity || !own || !url) throw new Error('this storage holds no registered device')
  if (identity.forked) throw new StoppedError('forked', 'the storage is an old copy')
  return { identity, own, url }
}

interface HelloOptions {
  readonly url: string
  readonly own: DeviceAddress
  readonly sign: Sign
  readonly clientName: string
  readonly clientVersion: string
}

async function hello({ nonce }: Challenge, options: HelloOptions): Promise<Hello> {
  const { own, clientName, clientVersion } = options
  const audience = audienceOf(options.url)
  const signature = await options.sign(signedHello({ audience, nonce }, own, clientVersion))
  return { address: own, signature, clientName, clientVersion, features: [], audience }
}
