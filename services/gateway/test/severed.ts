// A TCP connection that a test can hold up and cut: it stands between the gateway and a service.

import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Severed {
  /** `host:port` to connect to instead. */
  readonly target: string
  /** From now on what the service answers is held back. */
  holdAnswers(): void
  /** From now on nothing gets there either. */
  holdAll(): void
  /** Ends all connections; what was held back is lost. New ones pass again. */
  cut(): void
  close(): void
}

export async function sever(target: string): Promise<Severed> {
  const [host = '', port = ''] = target.split(':')
  const pairs = new Set<{ near: Socket; far: Socket }>()
  let isHoldingAnswers = false
  let isHoldingAll = false
  const server = createServer((near) => {
    const far = connect(Number(port), host)
    const pair = { near, far }
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.on('error', end).on('close', end)
    near.on('data', (bytes) => isHoldingAll || far.write(bytes))
    far.on('data', (bytes) => isHoldingAnswers || isHoldingAll || near.write(bytes))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    isHoldingAnswers = false
    isHoldingAll = false
    for (const { near, far } of pairs) {
      near.destroy()
      far.destroy()
    }
  }
  return {
    target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    holdAnswers: () => void (isHoldingAnswers = true),
    holdAll: () => void (isHoldingAll = true),
    cut,
    close() {
      cut()
      server.close()
    },
  }
}
