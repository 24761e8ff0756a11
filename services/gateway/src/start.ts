// The composition root.

import { randomBytes } from 'node:crypto'
import type { Scope } from '@twotick/chassis'
import { openBackends } from './backends.ts'
import type { Config } from './config.ts'
import { createEpochs } from './epoch.ts'
import { createEvents } from './events.ts'
import { createGateway } from './gateway.ts'
import { measureGateway } from './gauges.ts'
import { drain } from './goodbye.ts'
import { openListener } from './listener.ts'
import { createRegistry } from './registry.ts'
import { renewSessions } from './renewal.ts'
import { watchSilence } from './silence.ts'
import { holdLease } from './takeover.ts'

export async function start(config: Config, scope: Scope): Promise<{ port: number }> {
  const { defer, log, stopping } = scope
  const gatewayId = randomBytes(8).toString('hex')
  const events = createEvents(log)
  const epochs = createEpochs()
  const registry = createRegistry()
  const backends = await openBackends(config, epochs, scope)
  const lease = holdLease({ gatewayId, redis: backends.redis, registry, events }, scope)
  const parts = { ...backends, gatewayId, lease, epochs, registry, events }
  const receive = createGateway(parts, config, scope)

  const listener = await openListener(config, {
    accept: (socket) => void receive(socket),
    refused: (code) => events.refused(code),
  })
  defer('listener', () => listener.close())
  measureGateway(listener, registry, config)
  watchSilence(listener.sockets, { silenceMs: config.silenceMs, signal: stopping })
  renewSessions(registry, { sessionMs: config.sessionMs, signal: stopping })
  defer('sessions', () => drain(listener, registry, { overMs: config.goodbyeMs, events }))
  scope.ready()
  return { port: listener.port }
}
