// Who is silent. One clock walks over all connections once a second, instead of a timer for each:
// after a while without a word in either direction the gateway sends `Ping`, and after 35 s in
// which nothing was heard the connection ends.

import { RefusalCode } from '@twotick/protocol'
import type { DeviceSocket } from './socket.ts'

const LOOK_MS = 1_000

/** The share of the silence after which somebody has to say something. */
const PING_SHARE = 0.4

export interface SilenceOptions {
  readonly silenceMs: number
  readonly signal: AbortSignal
}

export function watchSilence(
  sockets: ReadonlySet<DeviceSocket>,
  { silenceMs, signal }: SilenceOptions,
): void {
  const lookMs = Math.min(LOOK_MS, silenceMs / 10)
  /** What was buffered for those that we do not read from, at the last look. */
  const buffered = new WeakMap<DeviceSocket, number>()
  let pings = 0

  function look(socket: DeviceSocket, now: number) {
    if (socket.isClosed()) return
    if (socket.isPaused() && isTaking(socket)) socket.heardAt = now
    const silentMs = now - socket.heardAt
    if (silentMs >= silenceMs) {
      const goodbye = { code: RefusalCode.SILENT, detail: '', retryAfterMs: 0 }
      return socket.close({ $case: 'goodbye', value: goodbye })
    }
    const quietMs = Math.max(silentMs, now - socket.saidAt)
    // Sending it is a word too: the next one is due as much later.
    if (quietMs >= silenceMs * PING_SHARE && now - socket.saidAt >= (silenceMs * PING_SHARE) / 2) {
      socket.send({ $case: 'ping', value: { number: ++pings } })
    }
  }

  /** A slow device is not a silent one: what it takes of what was written is a sign of life. */
  function isTaking(socket: DeviceSocket): boolean {
    const before = buffered.get(socket)
    const bytes = socket.bufferedBytes()
    buffered.set(socket, bytes)
    return !socket.isCongested() || before === undefined || bytes < before
  }

  const timer = setInterval(() => {
    const now = performance.now()
    for (const socket of sockets) look(socket, now)
  }, lookMs)
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
