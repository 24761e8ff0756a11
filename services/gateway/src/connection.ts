// One connection of a device, from its handshake to its end, and what others may do with the session.

import { type Refusal, RefusalCode, type Welcome } from '@twotick/protocol'
import type { DeviceAddress } from '@twotick/protocol'
import type { SignalSent, StoredEntry, Tick, TraceHops } from '@twotick/protocol/services'
import type { GatewayEvents } from './events.ts'
import type { OpenedSession } from './handshake.ts'
import { createInbound, type Inbound, type InboundOptions, type InboundParts } from './inbound.ts'
import { createPusher, type PusherParts } from './pusher.ts'
import { traceTicks } from './push-traces.ts'
import type { DeviceSocket, UpFrame } from './socket.ts'
import type { WindowLimits } from './window.ts'

export interface LiveSession {
  readonly device: DeviceAddress
  readonly number: number
  readonly epoch: string
  /** True: that there is so much was not known here. */
  rung(headSeq: number, entries: readonly StoredEntry[], traces?: TraceHops): boolean
  ticked(tick: Tick): void
  signalled(signal: SignalSent): void
  resync(): void
  /** Ends it with a goodbye; what has no answer is unknown to the device. */
  end(why: Refusal): void
  /** Reads no more, answers what it has read, then ends it. */
  finish(why: Refusal): Promise<void>
}

export interface ConnectionParts extends PusherParts, InboundParts {}

export interface ConnectionOptions extends InboundOptions {
  readonly limits: WindowLimits
}

export interface Connection extends LiveSession {
  /** Says Welcome, and begins. Before that the session hears what is rung, and says nothing. */
  begin(welcome: Welcome): void
}

export function createConnection(
  socket: DeviceSocket,
  parts: ConnectionParts,
  options: ConnectionOptions,
  { opened, onEnd }: { opened: OpenedSession; onEnd: () => void },
): Connection {
  const { device, epoch, session: number } = opened
  let isOpen = false
  let isEnded = false
  const pusher = createPusher(socket, parts, { ...options, opened, end })
  let inbound: Inbound | undefined

  function end(why: Refusal) {
    if (isEnded) return
    socket.close({ $case: 'goodbye', value: why })
    over(why.code)
  }

  function over(code: RefusalCode | undefined) {
    if (isEnded) return
    isEnded = true
    pusher.close()
    inbound?.close()
    parts.events.ended(code)
    onEnd()
  }

  function take(frame: UpFrame) {
    // The answer to a ping is all that most devices ever say.
    if (isEnded || frame.$case === 'pong') return
    inbound ??= createInbound(socket, parts, options, { opened, pusher, end })
    inbound.take(frame)
  }

  return {
    device,
    number,
    epoch,
    rung: pusher.rung,
    ...createAnnouncements(socket, { device, events: parts.events, isOpen: () => isOpen }),
    end,
    async finish(why) {
      socket.pause('finishing')
      await inbound?.idle()
      end(why)
    },
    begin(welcome) {
      if (isEnded) return
      socket.onFrame(take)
      socket.onMalformed(() => end(MALFORMED))
      socket.onGone(() => over(undefined))
      if (socket.isClosed()) return over(undefined)
      socket.send({ $case: 'welcome', value: welcome })
      isOpen = true
      parts.events.opened()
      pusher.start()
    },
  }
}

const MALFORMED = { code: RefusalCode.MALFORMED, detail: '', retryAfterMs: 0 }

/** What others have for the device that is not in its mailbox. Under load it is left out. */
function createAnnouncements(
  socket: DeviceSocket,
  at: { device: DeviceAddress; events: GatewayEvents; isOpen: () => boolean },
): Pick<LiveSession, 'ticked' | 'signalled' | 'resync'> {
  const { device, events, isOpen } = at
  return {
    ticked({ recipientAccountId, nos, traces }) {
      if (!isOpen()) return
      // It asks for the second ticks that it has not had.
      if (socket.isCongested()) return events.shed('tick')
      events.delivered(nos.length)
      socket.send({ $case: 'delivered', value: { recipientAccountId, nos } })
      if (traces !== undefined) traceTicks(traces)
    },
    signalled({ sender, ciphertext }) {
      const isOwn = sender?.accountId === device.accountId && sender.deviceId === device.deviceId
      if (!isOpen() || isOwn) return
      if (socket.isCongested()) return events.shed('signal')
      socket.send({ $case: 'signal', value: { sender, ciphertext } })
    },
    resync() {
      if (isOpen()) socket.send({ $case: 'resync', value: {} })
    },
  }
}
