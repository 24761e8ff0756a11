// What a gateway holds right now, told when Prometheus looks.

import { openMeter } from '@twotick/chassis'
import type { Listener } from './listener.ts'
import type { Registry } from './registry.ts'

export function measureGateway(
  { sockets }: Pick<Listener, 'sockets'>,
  registry: Pick<Registry, 'count'>,
  { connectionsMax }: { readonly connectionsMax: number },
): void {
  const meter = openMeter('gateway')
  const about = (what: string) => `twotick.gateway.${what}`
  meter.gauge(about('connections'), 'devices connected, in a session or not', () => sockets.size)
  meter.gauge(about('connections_max'), 'what one replica takes', () => connectionsMax)
  meter.gauge(about('sessions'), 'sessions', () => registry.count())
  meter.gauge(about('buffered_bytes'), 'bytes that devices have not taken yet', () =>
    [...sockets].reduce((sum, socket) => sum + socket.bufferedBytes(), 0),
  )
  meter.gauge(about('paused_connections'), 'connections that are not read, for back-pressure', () =>
    [...sockets].reduce((sum, socket) => sum + (socket.isPaused() ? 1 : 0), 0),
  )
}
