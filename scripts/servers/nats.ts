// A private NATS: core only, on loopback, nothing on disk. Up in about 15 ms.

import { requireBinary } from './binaries.ts'
import { launch, type ServerProcess } from './launch.ts'
import { onFreePort } from './free-port.ts'
import { serverUser } from './unprivileged.ts'

export interface PrivateNats extends ServerProcess {
  readonly url: string
}

/**
 * As in docker-compose.yml. It keeps next to nothing on its heap, and by default collects whenever that
 * has doubled: under load a third of its CPU.
 */
export const COLLECT_SELDOM = { GOGC: '400', GOMEMLIMIT: '200MiB' }

export async function startPrivateNats(logFile?: string): Promise<PrivateNats> {
  return onFreePort('nats', (port) =>
    launch({
      name: 'nats-server',
      command: requireBinary('nats-server'),
      args: ['--addr', '127.0.0.1', '--port', String(port)],
      readyLine: 'Server is ready',
      stopSignal: 'SIGINT',
      orphanSignal: 'KILL',
      user: serverUser(),
      logFile,
      env: COLLECT_SELDOM,
    }),
  )
}
