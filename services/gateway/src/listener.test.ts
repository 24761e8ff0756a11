// Goal: a connection too many, of one address or of all, is told so, and counted.

import { once } from 'node:events'
import { BlockList } from 'node:net'
import { RefusalCode } from '@twotick/protocol'
import { expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { openListener, SUBPROTOCOL } from './listener.ts'

it('takes so many of one address, and so many altogether', async () => {
  const accepted: string[] = []
  const refused: RefusalCode[] = []
  const trustedProxies = new BlockList()
  trustedProxies.addAddress('127.0.0.1')
  const options = {
    listen: '127.0.0.1:0',
    connectionsMax: 2,
    connectionsPerAddressMax: 1,
    trustedProxies,
  }
  const listener = await openListener(options, {
    accept: ({ address }) => accepted.push(address),
    refused: (code) => refused.push(code),
  })
  async function connectFrom(address: string): Promise<string> {
    const headers = { 'x-forwarded-for': address }
    const socket = new WebSocket(`ws://127.0.0.1:${listener.port}`, SUBPROTOCOL, { headers })
    return Promise.race([
      once(socket, 'open').then(() => 'open'),
      once(socket, 'unexpected-response').then(([, response]) => String(response.statusCode)),
    ])
  }

  try {
    for (const last of [1, 1]) expect(await connectFrom(`192.0.2.${last}`)).toBe('open')
    expect(refused).toEqual([RefusalCode.TOO_MANY_CONNECTIONS])
    await vi.waitFor(() => expect(listener.sockets.size).toBe(1))
    expect(await connectFrom('192.0.2.2')).toBe('open')
    expect(accepted).toEqual(['192.0.2.1', '192.0.2.2'])
    expect(await connectFrom('192.0.2.3')).toBe('503')
    expect(refused).toHaveLength(2)
  } finally {
    await listener.close()
  }
})
