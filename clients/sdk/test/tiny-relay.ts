// The model relay on real WebSockets, with the handshake: it verifies signatures, by another
// implementation than the one under test.

import { createPublicKey, randomBytes, randomUUID, verify } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Down, parseAddress, RefusalCode, signedHello, signedRegister } from '@twotick/protocol'
import { Up, type Address } from '@twotick/protocol'
import { WebSocketServer, type WebSocket } from 'ws'
import { createModelRelay, type DownFrame, type UpFrame } from './model-relay.ts'

export type TinyRelay = Awaited<ReturnType<typeof startTinyRelay>>

export async function startTinyRelay() {
  const handleProtocols = () => 'twotick.v1'
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const audience = `127.0.0.1:${port}`
  const model = createModelRelay()
  const handles = new Map<string, string>()
  const transport = {
    /** Whether a frame to a device is lost, and its connection with it. */
    loses: (_frame: DownFrame): boolean => false,
    /** It stands still: what comes is not heard. */
    isStopped: false,
  }

  function register(frame: UpFrame, nonce: Uint8Array): Address | undefined {
    if (frame.$case !== 'register') return undefined
    const { handle, publicKey, signature } = frame.value
    const signed = signedRegister({ audience, nonce }, handle)
    if (!isSigned(publicKey, signed, signature)) return undefined
    const accountId = handles.get(handle) ?? randomUUID()
    handles.set(handle, accountId)
    return model.addDevice(publicKey, accountId)
  }

  function authenticate(frame: UpFrame, nonce: Uint8Array): Address | undefined {
    const address = frame.$case === 'hello' ? parseAddress(frame.value.address) : undefined
    const row = address && model.device(address)
    if (frame.$case !== 'hello' || !address || !row) return undefined
    const signed = signedHello({ audience, nonce }, address, frame.value.clientVersion)
    return isSigned(row.publicKey, signed, frame.value.signature) ? address : undefined
  }

  function connection(socket: WebSocket): void {
    let nonce = randomBytes(32)
    let own: Address | undefined
    const say = (frame: DownFrame) => {
      if (transport.loses(frame)) socket.terminate()
      else socket.send(Down.encode({ frame }).finish())
    }
    const challenge = () => {
      nonce = randomBytes(32)
      say({ $case: 'challenge', value: { nonce } })
    }
    const isOpen = () => own !== undefined && model.device(own)?.say === say

    function first(frame: UpFrame): void {
      const address = register(frame, nonce)
      own = authenticate(frame, nonce)
      if (address) {
        say({ $case: 'registered', value: { address } })
        challenge()
      } else if (own) {
        const goodbye = { code: RefusalCode.REPLACED, detail: '', retryAfterMs: 0 }
        model.device(own)?.say?.({ $case: 'goodbye', value: goodbye })
        model.open(own, say)
      } else {
        const value = { code: RefusalCode.UNAUTHENTICATED, detail: '', retryAfterMs: 0 }
        say({ $case: 'refused', value })
      }
    }

    socket.on('error', () => socket.terminate())
    socket.on('close', () => {
      const row = own && model.device(own)
      if (row?.say === say) row.say = undefined
    })
    socket.on('message', (data: Buffer) => {
      if (transport.isStopped) return
      const { frame } = Up.decode(data)
      const row = own && model.device(own)
      if (!frame) socket.terminate()
      else if (!own) first(frame)
      else if (row && isOpen()) model.onFrame(row, frame)
    })
    challenge()
  }

  function cutAll(): void {
    for (const socket of server.clients) socket.terminate()
  }

  server.on('connection', connection)
  return {
    url: `ws://${audience}`,
    model,
    transport,
    cutAll,
    async stop(): Promise<void> {
      cutAll()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Ed25519 as node:crypto does it. */
function isSigned(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  const x = Buffer.from(publicKey).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, bytes, key, signature)
}
