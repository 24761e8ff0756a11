// A device that does as little as the protocol allows, so that a load generator measures the relay
// and not itself: no storage, no retries, no codec.

import { sign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  type Address,
  Down,
  parseAddress,
  type Send,
  signedHello,
  signedRegister,
  Up,
  type Welcome,
} from '@twotick/protocol'

type DownFrame = NonNullable<Down['frame']>

export interface LoadIdentity {
  readonly address: Address
  readonly key: KeyObject
}

export interface LoadDevice {
  readonly welcome: Welcome
  send(frame: NonNullable<Up['frame']>): void
  close(): void
}

const CLIENT_VERSION = '1.0.0'

/** Registers an account with one device. */
export async function register(url: string, handle: string, token = ''): Promise<LoadIdentity> {
  const { publicKey, privateKey: key } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const audience = new URL(url).host
  const { result, socket } = await converse<LoadIdentity>(url, (frame, reply, done) => {
    if (frame.$case === 'challenge') {
      const { nonce } = frame.value
      const signature = sign(null, signedRegister({ audience, nonce }, handle), key)
      const value = { handle, publicKey: raw, token, signature, audience }
      reply({ $case: 'register', value })
    } else if (frame.$case === 'registered' && frame.value.address !== undefined) {
      done({ address: frame.value.address, key })
    }
  })
  socket.close()
  return result
}

/** Opens a session; every frame after `Welcome` goes to `hear`. */
export async function open(
  url: string,
  { address, key }: LoadIdentity,
  hear: (frame: DownFrame, device: LoadDevice) => void,
): Promise<LoadDevice> {
  const audience = new URL(url).host
  const own = parseAddress(address)
  if (own === undefined) throw new Error('not an address')
  const opened: { device?: LoadDevice } = {}
  const { result, socket } = await converse<Welcome>(url, (frame, reply, done) => {
    if (opened.device !== undefined) hear(frame, opened.device)
    else if (frame.$case === 'challenge') {
      const { nonce } = frame.value
      const signature = sign(null, signedHello({ audience, nonce }, own, CLIENT_VERSION), key)
      const client = { clientName: 'bench', clientVersion: CLIENT_VERSION, features: [] }
      reply({ $case: 'hello', value: { address, signature, audience, ...client } })
    } else if (frame.$case === 'welcome') done(frame.value)
  })
  opened.device = {
    welcome: result,
    send: (frame) => socket.send(Up.encode({ frame }).finish() as Uint8Array<ArrayBuffer>),
    close: () => socket.close(),
  }
  return opened.device
}

/** One connection, from its start to what `talk` is done with. */
function converse<T>(
  url: string,
  talk: (frame: DownFrame, reply: LoadDevice['send'], done: (result: T) => void) => void,
): Promise<{ result: T; socket: WebSocket }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, 'twotick.v1')
    socket.binaryType = 'arraybuffer'
    const reply = (frame: NonNullable<Up['frame']>) =>
      socket.send(Up.encode({ frame }).finish() as Uint8Array<ArrayBuffer>)
    socket.addEventListener('message', ({ data }) => {
      const { frame } = Down.decode(new Uint8Array(data as ArrayBuffer))
      if (frame?.$case === 'refused' || frame?.$case === 'goodbye') {
        reject(new Error(`the relay refuses: ${JSON.stringify(frame.value)}`))
      } else if (frame?.$case === 'ping') reply({ $case: 'pong', value: frame.value })
      else if (frame !== undefined) {
        talk(frame, reply, (result) => resolve({ result, socket }))
      }
    })
    socket.addEventListener('error', () => reject(new Error(`no relay at ${url}`)))
  })
}

/** A message of this many bytes, whatever they are. */
export function message(to: string, no: number, ciphertext: Uint8Array): Send {
  const tag = new Uint8Array(8)
  new DataView(tag.buffer).setFloat64(0, Math.random())
  return {
    no,
    prevNo: no - 1,
    tag,
    to: { to: { $case: 'accountId', value: to } },
    rosterVersion: 0,
    type: 1,
    lifetimeS: 0,
    ciphertext,
    parts: [],
  }
}
