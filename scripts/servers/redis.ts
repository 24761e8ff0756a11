// A private Redis: on loopback, nothing on disk (presence is a hint that may be lost). Up in about
// 15 ms.

import { requireBinary } from './binaries.ts'
import { launch, type ServerProcess } from './launch.ts'
import { onFreePort } from './free-port.ts'
import { serverUser } from './unprivileged.ts'

export interface PrivateRedis extends ServerProcess {
  readonly url: string
}

export async function startPrivateRedis(logFile?: string): Promise<PrivateRedis> {
  return onFreePort('redis', (port) =>
    launch({
      name: 'redis-server',
      command: requireBinary('redis-server'),
      args: ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'],
      readyLine: 'Ready to accept connections',
      stopSignal: 'SIGINT',
      orphanSignal: 'KILL',
      user: serverUser(),
      logFile,
    }),
  )
}
