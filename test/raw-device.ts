// A device that speaks the protocol frame by frame and may misbehave: what the SDK would never send.
// It keeps every frame that came, and lets a test wait for the next one that it is looking for.

import { type webcrypto } from 'node:crypto'
import { once } from 'node:events'
import {
  type Address,
  Down,
  type Register,
  type Send,
  signedHello,
  signedRegister,
  Up,
  type Welcome,
} from '@twotick/protocol'
import { parseAddress } from '@twotick/protocol'

type UpFrame = NonNullable<Up['frame']>
type DownFrame = NonNullable<Down['frame']>
type Case = DownFrame['$case']
type Value<C extends Case> = Extract<DownFrame, { $case: C }>['value']

const WAIT_MS = 5_000
const CLIENT_VERSION = '1.0.0'

export interface Keys {
  readonly privateKey: webcrypto.CryptoKey
  readonly publicKey: Uint8Array
}

export async function newKeys(): Promise<Keys> {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])
  if (!('privateKey' in pair)) throw new Error('Ed25519 makes a pair')
  const raw = await crypto.subtle.exportKey('raw', pair.publicKey)
  return { privateKey: pair.privateKey, publicKey: new Uint8Array(raw) }
}

export interface RawConnection {
  readonly frames: DownFrame[]
  send(frame: UpFrame): void
  sendBytes(bytes: Uint8Array): void
  /** The next frame of this kind that was not taken before. */
  take<C extends Case>(kind: C): Promise<Value<C>>
  /** Resolves to the close code when the gateway has ended the connection. */
  closed: Promise<number>
  close(): void
}

/** Gets each frame as it comes. */
export type Hear = (frame: DownFrame, connection: RawConnection) => void

/** Opens a connection and nothing more: the gateway's `Challenge` is the first frame. */
export async function connectRaw(url: string, hear?: Hear): Promise<RawConnection> {
  const socket = new WebSocket(url, 'twotick.v1')
  socket.binaryType = 'arraybuffer'
  const frames: DownFrame[] = []
  const arrivals = new EventTarget()
  const taken: DownFrame[] = []
  socket.addEventListener('message', (message) => {
    const { frame } = Down.decode(new Uint8Array(message.data as ArrayBuffer))
    if (frame === undefined) return
    frames.push(frame)
    if (frame.$case === 'ping') {
      socket.send(Up.encode({ frame: { $case: 'pong', value: frame.value } }).finish())
    }
    hear?.(frame, connection)
    arrivals.dispatchEvent(new Event('frame'))
  })
  const closed = once(socket, 'close').then(([event]) => (event as CloseEvent).code)
  const connection: RawConnection = {
    frames,
    send: (frame) => socket.send(Up.encode({ frame }).finish()),
    sendBytes: (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>),
    take,
    closed,
    close: () => socket.close(),
  }
  await Promise.race([once(socket, 'open'), closed])
  if (socket.readyState !== WebSocket.OPEN) throw new Error(`no relay at ${url}`)

  async function take<C extends Case>(kind: C): Promise<Value<C>> {
    const deadline = AbortSignal.timeout(WAIT_MS)
    for (;;) {
      const found = frames.find((frame) => frame.$case === kind && !taken.includes(frame))
      if (found !== undefined) {
        taken.push(found)
        return found.value as Value<C>
      }
      if (deadline.aborted) {
        const seen = frames.map((frame) => frame.$case).join(' ')
        throw new Error(`no ${kind} within ${WAIT_MS} ms; there came: ${seen}`)
      }
      await Promise.race([
        once(arrivals, 'frame', { signal: deadline }).catch(() => undefined),
        closed.then(() => undefined),
      ])
      if (socket.readyState === WebSocket.CLOSED && !frames.some((f) => f.$case === kind)) {
        const seen = frames.map((frame) => JSON.stringify(frame)).join(' ')
        throw new Error(`closed before ${kind}; there came: ${seen}`)
      }
    }
  }
  return connection
}

/** Where a device stands, between its connections. */
export interface RawDevice {
  readonly url: string
  readonly address: Address
  readonly keys: Keys
}

async function sign(keys: Keys, bytes: Uint8Array): Promise<Uint8Array> {
  const signature = await crypto.subtle.sign(
    'Ed25519',
    keys.privateKey,
    bytes as Uint8Array<ArrayBuffer>,
  )
  return new Uint8Array(signature)
}

export async function registerRaw(url: string, handle: string): Promise<RawDevice> {
  const connection = await connectRaw(url)
  const keys = await newKeys()
  const { nonce } = await connection.take('challenge')
  const audience = new URL(url).host
  const register: Register = {
    handle,
    publicKey: keys.publicKey,
    token: '',
    signature: await sign(keys, signedRegister({ audience, nonce }, handle)),
    audience,
  }
  connection.send({ $case: 'register', value: register })
  const { address } = await connection.take('registered')
  connection.close()
  if (address === undefined) throw new Error('registered without an address')
  return { url, address, keys }
}

export interface RawSession extends RawConnection {
  readonly welcome: Welcome
}

/** Connects and says Hello; `clientVersion` and `keys` let a test say it wrongly. */
export async function helloRaw(
  device: RawDevice,
  said: { clientVersion?: string; keys?: Keys } = {},
  hear?: Hear,
): Promise<RawConnection> {
  const connection = await connectRaw(device.url, hear)
  const { nonce } = await connection.take('challenge')
  const audience = new URL(device.url).host
  const address = parseAddress(device.address)
  if (address === undefined) throw new Error('not an address')
  const clientVersion = said.clientVersion ?? CLIENT_VERSION
  const bytes = signedHello({ audience, nonce }, address, clientVersion)
  connection.send({
    $case: 'hello',
    value: {
      address,
      signature: await sign(said.keys ?? device.keys, bytes),
      clientName: 'raw',
      clientVersion,
      features: [],
      audience,
    },
  })
  return connection
}

export async function openRaw(device: RawDevice, hear?: Hear): Promise<RawSession> {
  const connection = await helloRaw(device, {}, hear)
  const welcome = await connection.take('welcome')
  return Object.assign(connection, { welcome })
}

/** A send that is right in all it does not say otherwise. */
export function sendTo(accountId: string, no: number, prevNo: number): Send {
  return {
    no,
    prevNo,
    tag: crypto.getRandomValues(new Uint8Array(8)),
    to: { to: { $case: 'accountId', value: accountId } },
    rosterVersion: 0,
    type: 1,
    lifetimeS: 0,
    ciphertext: new TextEncoder().encode(`message ${no}`),
    parts: [],
  }
}
