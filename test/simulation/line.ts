// A connection between a device and a gateway: two lanes of frames, which can be cut in several ways.

import type { Link, LinkEvents, UpFrame } from '../../clients/sdk/src/link.ts'
import type { DeviceSocket, DownFrame } from '../../services/gateway/src/socket.ts'
import type { Lanes } from './lanes.ts'

/**
 * `closed`: what the device had said still arrives, then the gateway hears of the end. `lost`: nothing
 * more arrives, and it hears at once. `silent`: nothing more arrives, and it hears nothing.
 */
export type Cut = 'closed' | 'lost' | 'silent'

export interface Line {
  readonly link: Link
  readonly socket: DeviceSocket
  cut(how: Cut): void
}

export interface LineOptions {
  readonly lanes: Lanes
  readonly name: string
  readonly events: LinkEvents
  /** Each frame, as the gateway says it and as the device hears it. */
  readonly said: (frame: DownFrame) => void
  readonly heard: (frame: DownFrame) => void
}

export function createLine({ lanes, name, events, said, heard }: LineOptions): Line {
  const [up, down] = [`up ${name} `, `down ${name} `]
  const ends = { device: false, gateway: false }
  const handlers: { frame(frame: UpFrame): void; gone(): void } = {
    frame: () => undefined,
    gone: () => undefined,
  }

  function endDevice(): void {
    if (ends.device) return
    ends.device = true
    lanes.clear(down)
    queueMicrotask(events.closed)
  }

  function endGateway(): void {
    if (ends.gateway) return
    ends.gateway = true
    handlers.gone()
  }

  const link: Link = {
    send(frame) {
      if (!ends.device) lanes.add(up, () => ends.gateway || handlers.frame(frame))
    },
    bufferedBytes: () => 0,
    opened: () => undefined,
    waits: () => undefined,
    close() {
      endDevice()
      lanes.add(up, endGateway)
    },
  }

  function say(frame: DownFrame): void {
    if (ends.gateway) return
    said(frame)
    if (ends.device) return
    lanes.add(down, () => {
      if (ends.device) return
      heard(frame)
      events.frame(frame, link)
    })
  }

  const socket: DeviceSocket = {
    address: name,
    get writes() {
      return lanes.count
    },
    send: say,
    close(last) {
      say(last)
      ends.gateway = true
      if (!ends.device) lanes.add(down, endDevice)
    },
    cut: endGateway,
    pause: () => undefined,
    resume: () => undefined,
    isCongested: () => false,
    isClosed: () => ends.gateway,
    isPaused: () => false,
    bufferedBytes: () => 0,
    heardAt: 0,
    saidAt: 0,
    onFrame: (handler) => void (handlers.frame = handler),
    onMalformed: () => undefined,
    onGone: (handler) => void (handlers.gone = handler),
  }

  return {
    link,
    socket,
    cut(how) {
      endDevice()
      if (how !== 'closed') lanes.clear(up)
      if (how === 'closed') lanes.add(up, endGateway)
      if (how === 'lost') endGateway()
    },
  }
}
