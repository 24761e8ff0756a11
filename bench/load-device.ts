// A device that does as little as the protocol allows, so that a load generator measures the relay
// and not itself: no storage, no retries, no codec.

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import {
  type Address,
  type Destination,
  Down,
  type Handshake,
  parseAddress,
  type Refusal,
  type Send,
  signedClaim,
  signedHello,
  signedRegister,
  Up,
  type Welcome,
} from '@twotick/protocol'
import { refusalNames } from '@twotick/chassis'
import { type BareSocket, connectBare } from './bare-socket.ts'

export type DownFrame = NonNullable<Down['frame']>
export type UpFrame = NonNullable<Up['frame']>

export interface LoadIdentity {
  readonly address: Address
  readonly key: KeyObject
}

export interface LoadDevice {
  readonly welcome: Welcome
  send(frame: UpFrame): void
  close(): void
}

/** A relay's no, with when to come back. */
export class Refused extends Error {
  readonly retryAfterMs: number
  constructor(refusal: Refusal) {
    super(`the relay refuses: ${JSON.stringify(refusal)}`)
    this.retryAfterMs = refusal.retryAfterMs
  }
}

/** Where the relay is, its gateways between commas; the token is what registration asks for, if it does. */
export interface Target {
  readonly url: string
  readonly token: string
}

const CODE_NAMES = refusalNames()
const CLIENT_VERSION = '1.0.0'

export function newKey(): { readonly key: KeyObject; readonly raw: Uint8Array } {
  const { publicKey, privateKey: key } = generateKeyPairSync('ed25519')
  return { key, raw: publicKey.export({ type: 'spki', format: 'der' }).subarray(-32) }
}

/** Registers an account with one device. */
export function register({ url, token }: Target, handle: string): Promise<LoadIdentity> {
  const { key, raw: publicKey } = newKey()
  return introduce(url, key, (at) => {
    const signature = sign(null, signedRegister(at, handle), key)
    const { audience } = at
    return { $case: 'register', value: { handle, publicKey, token, signature, audience } }
  })
}

/** Learns the address of a device that was linked by its key. */
export function claim(
  { url }: Pick<Target, 'url'>,
  { key, raw: publicKey }: ReturnType<typeof newKey>,
): Promise<LoadIdentity> {
  return introduce(url, key, (at) => {
    const signature = sign(null, signedClaim(at, publicKey), key)
    return { $case: 'claim', value: { publicKey, signature, audience: at.audience } }
  })
}

const ended: string[] = []

/** Why the relay has ended sessions of this process: what they still had to do is not in its figures. */
export function endedSessions(): readonly string[] {
  return ended
}

let turn = 0

/** One gateway after the other. */
function gatewayOf(urls: string): string {
  const all = urls.split(',')
  turn += 1
  return all[turn % all.length] ?? urls
}

async function introduce(
  urls: string,
  key: KeyObject,
  answer: (at: Handshake) => UpFrame,
): Promise<LoadIdentity> {
  const url = gatewayOf(urls)
  const audience = new URL(url).host
  const { result, socket } = await converse<LoadIdentity>(url, (frame, reply, done) => {
    if (frame.$case === 'challenge') reply(answer({ audience, nonce: frame.value.nonce }))
    else if (frame.$case === 'registered' && frame.value.address !== undefined) {
      done({ address: frame.value.address, key })
    }
  })
  socket.close()
  return result
}

/** Opens a session; every frame after `Welcome` goes to `hear`. */
export async function open(
  target: Pick<Target, 'url'>,
  { address, key }: LoadIdentity,
  hear: (frame: DownFrame, device: LoadDevice) => void,
): Promise<LoadDevice> {
  const url = gatewayOf(target.url)
  const audience = new URL(url).host
  const own = parseAddress(address)
  if (own === undefined) throw new Error('not an address')
  const early: DownFrame[] = []
  let handle = (frame: DownFrame): void => void early.push(frame)
  let isClosed = false
  const { result, socket } = await converse<Welcome>(url, (frame, reply, done) => {
    if (frame.$case === 'challenge') {
      const { nonce } = frame.value
      const signature = sign(null, signedHello({ audience, nonce }, own, CLIENT_VERSION), key)
      const client = { clientName: 'bench', clientVersion: CLIENT_VERSION, features: [] }
      reply({ $case: 'hello', value: { address, signature, audience, ...client } })
    } else if (frame.$case === 'welcome') done(frame.value)
    else handle(frame)
  })
  const device: LoadDevice = {
    welcome: result,
    send: (frame) => say(socket, frame),
    close: () => {
      isClosed = true
      socket.close()
    },
  }
  void socket.ended.then((reason) => {
    if (!isClosed) ended.push(reason)
  })
  // What came in one read with `Welcome` was heard before there was a device to hear it.
  for (const frame of early) hear(frame, device)
  handle = (frame) => hear(frame, device)
  return device
}

/** One connection, from its start to what `talk` is done with. */
async function converse<T>(
  url: string,
  talk: (frame: DownFrame, reply: LoadDevice['send'], done: (result: T) => void) => void,
): Promise<{ result: T; socket: BareSocket & { readonly ended: Promise<string> } }> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const end = Promise.withResolvers<string>()
  const said: UpFrame[] = []
  let reply: LoadDevice['send'] = (frame) => void said.push(frame)
  const hear = ({ frame }: Down) => {
    if (frame?.$case === 'refused' || frame?.$case === 'goodbye') {
      reject(new Refused(frame.value))
      end.resolve(CODE_NAMES.get(frame.value.code) ?? 'a code that is not known')
    } else if (frame?.$case === 'ping') reply({ $case: 'pong', value: frame.value })
    else if (frame !== undefined) talk(frame, (up) => reply(up), resolve)
  }
  const socket = await connectBare(url, 'twotick.v1', {
    onMessage: (message) => hear(Down.decode(message)),
    onEnd: () => {
      reject(new Error('the relay has closed the connection'))
      end.resolve('no reason given')
    },
  }).catch((cause: unknown) => {
    throw new Error(`no relay at ${url}`, { cause })
  })
  reply = (frame) => say(socket, frame)
  for (const frame of said) say(socket, frame)
  return { result: await promise, socket: { ...socket, ended: end.promise } }
}

function say(socket: BareSocket, frame: UpFrame): void {
  socket.send(Up.encode({ frame }).finish())
}

const TAG_BYTES = 8
let tags = randomBytes(0)
let tagAt = 0

/** Random bytes are cheap by the thousand. */
function nextTag(): Uint8Array {
  if (tagAt === tags.length) {
    tags = randomBytes(1_024 * TAG_BYTES)
    tagAt = 0
  }
  tagAt += TAG_BYTES
  return tags.subarray(tagAt - TAG_BYTES, tagAt)
}

/** A message of these bytes. */
export function message(to: LoadDestination, no: number, ciphertext: Uint8Array): Send {
  return {
    no,
    prevNo: no - 1,
    tag: nextTag(),
    to: { to: to.to },
    rosterVersion: to.rosterVersion,
    type: 1,
    lifetimeS: 0,
    ciphertext,
    parts: [],
  }
}

export interface LoadDestination {
  readonly to: NonNullable<Destination['to']>
  readonly rosterVersion: number
}

/** An account, whatever its devices are: 0 stands for any roster where there are no parts. */
export function toAccount(accountId: string): LoadDestination {
  return { to: { $case: 'accountId', value: accountId }, rosterVersion: 0 }
}
