// What is compared: the relay, and each broker as Debian has it, in the smallest configuration that
// keeps messages. All are up at once and are driven in turn: who is not driven does nothing.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OpenScope } from '@twotick/chassis'
import { requireBinary } from '../../scripts/servers/binaries.ts'
import { onFreePort } from '../../scripts/servers/free-port.ts'
import { COLLECT_SELDOM } from '../../scripts/servers/nats.ts'
import { launch, type ServerProcess } from '../../scripts/servers/launch.ts'
import { type Usage, usageOf } from '../processes.ts'
import { startBenchRelay } from '../relay.ts'
import type { PeerName } from './peer.ts'

export interface System {
  readonly name: 'twotick' | PeerName
  readonly durability: string
  readonly url: string
  usage(): Record<string, Usage>
  renew?: (() => Promise<void>) | undefined
}

export async function startSystems(folder: string, scope: OpenScope): Promise<System[]> {
  const relay = await startBenchRelay()
  scope.defer('relay', () => relay.close())
  const jetstream = await startJetStream(join(folder, 'jetstream'))
  scope.defer('jetstream', jetstream.stop)
  const mosquitto = await startMosquitto(join(folder, 'mosquitto'))
  scope.defer('mosquitto', mosquitto.stop)
  return [
    {
      name: 'twotick',
      durability: 'first tick: on the disk (fsync); second tick: on the disk',
      url: relay.url,
      usage: () => relay.usage(),
      renew: relay.renew,
    },
    {
      name: 'jetstream',
      durability: 'in files, synced every 2 min: a power cut loses what was acknowledged since',
      url: jetstream.url,
      usage: () => usageOf({ jetstream: [jetstream.pid] }),
    },
    {
      name: 'mosquitto',
      durability: 'in memory, saved every second: a crash loses what was acknowledged since',
      url: mosquitto.url,
      usage: () => usageOf({ mosquitto: [mosquitto.pid] }),
    },
  ]
}

type Broker = ServerProcess & { readonly url: string }

function startJetStream(folder: string): Promise<Broker> {
  mkdirSync(folder, { recursive: true })
  return onFreePort('nats', (port) =>
    launch({
      name: 'nats-server',
      command: requireBinary('nats-server'),
      args: ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', folder],
      env: COLLECT_SELDOM,
      readyLine: 'Server is ready',
      stopSignal: 'SIGINT',
      orphanSignal: 'KILL',
      user: null,
    }),
  )
}

function startMosquitto(folder: string): Promise<Broker> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'mosquitto.conf')
  return onFreePort('mqtt', (port) => {
    const settings = [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'user root',
      'persistence true',
      `persistence_location ${folder}/`,
      'autosave_interval 1',
      'max_inflight_messages 256',
      'max_queued_messages 0',
    ]
    writeFileSync(file, `${settings.join('\n')}\n`)
    return launch({
      name: 'mosquitto',
      command: requireBinary('mosquitto'),
      args: ['-c', file],
      readyLine: 'running',
      stopSignal: 'SIGTERM',
      orphanSignal: 'KILL',
      user: null,
    })
  })
}
