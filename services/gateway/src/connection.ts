// One connection of a device, from its handshake to its end: what each frame of the device sets off,
// and what others may do with the session.

import {
  type Refusal,
  RefusalCode,
  type Request,
  type Send,
  type StatusQuery,
} from '@twotick/protocol'
import type { DeviceAddress } from '@twotick/protocol'
import type { SignalSent, StoredEntry, Tick } from '@twotick/protocol/services'
import type { Budget } from './budget.ts'
import type { Directory } from './directory.ts'
import type { GatewayEvents } from './events.ts'
import { isWholeAck, isWholeSend, isWholeSignal, isWholeStatusQuery } from './frames.ts'
import { jittered } from './goodbye.ts'
import type { Opened } from './handshake.ts'
import { createIntake, type Intake } from './intake.ts'
import { createPusher, type Pusher, type PusherParts } from './pusher.ts'
import type { Signals } from './signal.ts'
import type { DeviceSocket, UpFrame } from './socket.ts'
import type { WindowLimits } from './window.ts'
import type { Validation } from './writes.ts'

const REQUESTS_MAX = 16
const QUERIES_MAX = 4
const RETRY_AFTER_MS = 1_000

export interface LiveSession {
  readonly device: DeviceAddress
  readonly number: number
  readonly epoch: string
  rung(headSeq: number, entries: readonly StoredEntry[]): void
  ticked(tick: Tick): void
  signalled(signal: SignalSent): void
  resync(): void
  /** Ends it with a goodbye; what has no answer is unknown to the device. */
  end(why: Refusal): void
  /** Reads no more, answers what it has read, then ends it. */
  finish(why: Refusal): Promise<void>
}

export interface ConnectionParts extends PusherParts {
  readonly validation: Validation
  readonly directory: Directory
  readonly signals: Signals
  readonly budget: Budget
  readonly events: GatewayEvents
}

export interface ConnectionOptions {
  readonly limits: WindowLimits
  readonly answerMs: number
  readonly sendsMax: number
  readonly sendBytesMax: number
}

export interface Connection extends LiveSession {
  /** Says Welcome, and begins. Before that the session hears what is rung, and says nothing. */
  begin(welcome: { serverTimeMs: number; silenceMs: number; frameBytesMax: number }): void
}

export function createConnection(
  socket: DeviceSocket,
  parts: ConnectionParts,
  { opened, onEnd, ...options }: ConnectionOptions & { opened: Opened; onEnd: () => void },
): Connection {
  const { device, epoch } = opened
  const { events } = parts
  let isOpen = false
  let isEnded = false
  let queries = 0
  let requests = 0
  const pusher: Pusher = createPusher(socket, parts, { opened, limits: options.limits, end })
  const intake: Intake = openIntake(socket, parts, { opened, end, ...options })

  function end(why: Refusal) {
    if (isEnded) return
    socket.close({ $case: 'goodbye', value: why })
    over(why.code)
  }

  function over(code: RefusalCode | undefined) {
    if (isEnded) return
    isEnded = true
    pusher.close()
    intake.close()
    events.ended(code)
    onEnd()
  }

  const malformed = (detail = '') => end({ code: RefusalCode.MALFORMED, detail, retryAfterMs: 0 })

  function take(frame: UpFrame) {
    switch (frame.$case) {
      case 'send':
        return isWholeSend(frame.value) ? intake.accept(frame.value) : malformed('send')
      case 'ack':
        return isWholeAck(frame.value) ? pusher.ack(frame.value) : malformed('ack')
      case 'statusQuery':
        return isWholeStatusQuery(frame.value) ? void query(frame.value) : malformed('status query')
      case 'signal':
        if (!isWholeSignal(frame.value)) return malformed('signal')
        return parts.signals.send(opened, frame.value)
      case 'request':
        return void ask(frame.value)
      case 'ping':
        return socket.send({ $case: 'pong', value: frame.value })
      case 'pong':
        return
      default:
        malformed(`${frame.$case} after the handshake`)
    }
  }

  async function query(asked: StatusQuery) {
    if (queries >= QUERIES_MAX) return malformed('too many status queries')
    queries++
    await orUnavailable('a status query', () => pusher.query(asked))
    queries--
  }

  async function ask(request: Request) {
    if (requests >= REQUESTS_MAX) return malformed('too many requests')
    requests++
    await orUnavailable('a request', async () => {
      const response = await parts.directory.ask(device, request)
      socket.send({ $case: 'response', value: response })
    })
    requests--
  }

  /** What cannot be answered in time ends the session: the device is not to wait for it. */
  async function orUnavailable(what: string, answer: () => Promise<void>) {
    try {
      await answer()
    } catch (error) {
      if (isEnded) return
      events.failed(`${what} could not be answered`, error)
      const retryAfterMs = jittered(RETRY_AFTER_MS)
      end({ code: RefusalCode.UNAVAILABLE, detail: what, retryAfterMs })
    }
  }

  return {
    device,
    number: opened.session,
    epoch,
    rung: pusher.rung,
    ticked({ recipientAccountId, nos }) {
      if (!isOpen) return
      // It is owed an honest answer later: what is left out here it asks for.
      if (socket.isCongested()) return events.shed('tick')
      events.delivered(nos.length)
      socket.send({ $case: 'delivered', value: { recipientAccountId, nos } })
    },
    signalled({ sender, ciphertext }) {
      const isOwn = sender?.accountId === device.accountId && sender.deviceId === device.deviceId
      if (!isOpen || isOwn) return
      if (socket.isCongested()) return events.shed('signal')
      socket.send({ $case: 'signal', value: { sender, ciphertext } })
    },
    resync() {
      if (isOpen) socket.send({ $case: 'resync', value: {} })
    },
    end,
    async finish(why) {
      socket.pause('finishing')
      await intake.idle()
      end(why)
    },
    begin({ serverTimeMs, silenceMs, frameBytesMax }) {
      if (isEnded) return
      socket.onFrame(take)
      socket.onMalformed(() => malformed())
      socket.onGone(() => over(undefined))
      if (socket.isClosed()) return over(undefined)
      const { session, sentNo, sentTag, ackedSeq, headSeq } = opened
      const backlog = Math.max(0, headSeq - ackedSeq)
      const { entriesMax, bytesMax } = options.limits
      const limits = {
        frameBytesMax,
        windowEntries: entriesMax,
        windowBytes: bytesMax,
        silenceMs,
        sendsMax: options.sendsMax,
      }
      const standing = { session, epoch, sentNo, sentTag, ackedSeq, backlog }
      socket.send({ $case: 'welcome', value: { ...standing, limits, serverTimeMs } })
      isOpen = true
      events.opened()
      pusher.start()
    },
  }
}

interface IntakeWiring extends ConnectionOptions {
  readonly opened: Opened
  readonly end: (why: Refusal) => void
}

function openIntake(
  socket: DeviceSocket,
  { validation, writes, budget, events }: ConnectionParts,
  { opened, end, answerMs, sendsMax, sendBytesMax }: IntakeWiring,
): Intake {
  const { device, epoch, session, sentNo } = opened
  /** The frame that this turn's first ticks are gathered in, while no rejection comes between. */
  let gathered = { firstNo: 0, lastNo: 0, acceptedAtMs: 0 }
  let gatheredAt = -1
  return createIntake(
    {
      validate: (send) => validation.validate(metadataOf(opened, send)),
      append: (send, { recipientAccountIds, lifetimeS }) => {
        const { no, prevNo, tag, to, type, ciphertext, parts } = send
        const content = { no, prevNo, tag, to, type, ciphertext, parts }
        const resolved = { recipientAccountIds, lifetimeS }
        return writes.append(epoch, { sender: device, session, ...content, ...resolved })
      },
      stored(no, acceptedAtMs) {
        events.stored()
        if (gatheredAt === socket.writes && no > gathered.lastNo) {
          Object.assign(gathered, { lastNo: no, acceptedAtMs })
          return
        }
        gathered = { firstNo: no, lastNo: no, acceptedAtMs }
        gatheredAt = socket.writes
        socket.send({ $case: 'stored', value: gathered })
      },
      rejected(rejected) {
        events.rejected(rejected.code)
        gatheredAt = -1
        socket.send({ $case: 'rejected', value: rejected })
      },
      end,
      pause: () => socket.pause('sends'),
      resume: () => socket.resume('sends'),
    },
    { sentNo, answerMs, sendsMax, sendBytesMax, budget },
  )
}

function metadataOf({ device, clientVersion }: Opened, send: Send) {
  const { to, rosterVersion, type, lifetimeS, ciphertext, parts } = send
  const bytes = parts.reduce((sum, part) => sum + part.ciphertext.length, ciphertext.length)
  const addresses = parts.flatMap(({ address }) => address ?? [])
  const content = { to, rosterVersion, type, lifetimeS, bytes, parts: addresses }
  return { sender: device, clientVersion, ...content, isSignal: false }
}
