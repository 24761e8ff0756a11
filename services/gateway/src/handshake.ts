// From the challenge to an open session. A nonce serves one attempt: each answer of the device, right
// or wrong, is followed by a new challenge or by the end.

import { randomBytes } from 'node:crypto'
import { unary } from '@twotick/chassis'
import {
  type Claim,
  type DeviceAddress,
  type Hello,
  parseAddress,
  type Refusal,
  RefusalCode,
  type Register,
} from '@twotick/protocol'
import type { EnvelopeStoreClient, MetadataValidationClient } from '@twotick/protocol/services'
import type { Directory, Registered } from './directory.ts'
import type { Epochs } from './epoch.ts'
import type { GatewayEvents } from './events.ts'
import { jittered } from './goodbye.ts'
import { beginOpening, type OpenedAtStore } from './opening.ts'
import type { Openings } from './openings.ts'
import type { DeviceSocket, UpFrame } from './socket.ts'

const NONCE_BYTES = 32
const RETRY_AFTER_MS = 1_000
const NAME_BYTES_MAX = 64
const VERSION_BYTES_MAX = 32
const FEATURES_MAX = 16

/** A device's session, open. */
export interface Opened extends OpenedAtStore {
  readonly device: DeviceAddress
  readonly clientVersion: string
  /** When the device must have its Welcome (performance.now()). */
  readonly answerBy: number
}

/**
 * What is kept of it. The tag is not: it is a part of what gRPC has read, and all that would stay in
 * memory with it.
 */
export type OpenedSession = Omit<Opened, 'sentTag' | 'answerBy'>

export interface HandshakeParts {
  readonly validation: MetadataValidationClient
  readonly store: EnvelopeStoreClient
  readonly directory: Directory
  readonly epochs: Epochs
  readonly events: GatewayEvents
  readonly openings: Openings
}

export interface HandshakeOptions {
  /** From the connection to the last frame that leads to a session. */
  readonly handshakeMs: number
  /** From a Hello to its Welcome or Refused: of all calls to other services together. */
  readonly answerMs: number
  /** The names that this gateway serves. */
  readonly isServed: (audience: string) => boolean
  readonly isDraining: () => boolean
}

/** Resolves to undefined when it came to nothing; then the connection ends by itself. */
export async function shakeHands(
  socket: DeviceSocket,
  parts: HandshakeParts,
  options: HandshakeOptions,
): Promise<Opened | undefined> {
  const until = performance.now() + options.handshakeMs
  while (!socket.isClosed()) {
    const nonce = randomBytes(NONCE_BYTES)
    socket.send({ $case: 'challenge', value: { nonce } })
    const frame = await nextFrame(socket, until - performance.now())
    if (frame === undefined) return undefined
    const refused = refusedAtOnce(frame, options)
    if (refused === undefined && frame.$case === 'hello') {
      return opened(socket, parts, { hello: frame.value, nonce, answerMs: options.answerMs })
    }
    const registered = refused ?? (await registeredBy(frame, nonce, parts))
    if (registered === undefined) return void malformed(socket)
    if ('code' in registered) {
      parts.events.refused(registered.code)
      if (frame.$case === 'hello') return void socket.close({ $case: 'refused', value: registered })
      socket.send({ $case: 'refused', value: registered })
    } else socket.send({ $case: 'registered', value: registered })
  }
  return undefined
}

/** The next frame; another one before the last was dealt with is out of phase. */
function nextFrame(socket: DeviceSocket, leftMs: number): Promise<UpFrame | undefined> {
  return new Promise((resolve) => {
    const late = setTimeout(() => {
      const goodbye = { code: RefusalCode.SILENT, detail: 'no session in time', retryAfterMs: 0 }
      socket.close({ $case: 'goodbye', value: goodbye })
      settle(undefined)
    }, leftMs)
    const settle = (frame: UpFrame | undefined) => {
      clearTimeout(late)
      socket.onFrame(() => malformed(socket))
      resolve(frame)
    }
    socket.onFrame((frame) => {
      if (frame.$case === 'ping') socket.send({ $case: 'pong', value: frame.value })
      else if (frame.$case !== 'pong') settle(frame)
    })
    socket.onMalformed(() => {
      malformed(socket)
      settle(undefined)
    })
    socket.onGone(() => settle(undefined))
  })
}

function malformed(socket: DeviceSocket) {
  const goodbye = { code: RefusalCode.MALFORMED, detail: '', retryAfterMs: 0 }
  socket.close({ $case: 'goodbye', value: goodbye })
}

/** What needs nobody else to be refused. */
function refusedAtOnce(frame: UpFrame, options: HandshakeOptions): Refusal | undefined {
  if (!('audience' in frame.value)) return undefined
  if (options.isDraining()) return refusal(RefusalCode.GOING_AWAY, '', jittered(RETRY_AFTER_MS))
  if (options.isServed(frame.value.audience)) return undefined
  return refusal(RefusalCode.UNAUTHENTICATED, 'the audience is not served here')
}

function refusal(code: RefusalCode, detail: string, retryAfterMs = 0): Refusal {
  return { code, detail, retryAfterMs }
}

interface Attempt {
  readonly hello: Hello
  readonly nonce: Uint8Array
  readonly answerMs: number
  readonly isGone: () => boolean
}

async function opened(
  socket: DeviceSocket,
  parts: HandshakeParts,
  { hello, nonce, answerMs }: Omit<Attempt, 'isGone'>,
): Promise<Opened | undefined> {
  const device = parseAddress(hello.address)
  if (device === undefined || !isWholeHello(hello)) return void malformed(socket)
  const isGone = () => socket.isClosed()
  const outcome = await inTurn(device, parts, { hello, nonce, answerMs, isGone })
  if (outcome === undefined || !('code' in outcome)) return outcome
  parts.events.refused(outcome.code)
  return void socket.close({ $case: 'refused', value: outcome })
}

function isWholeHello({ clientName, clientVersion, features }: Hello): boolean {
  return (
    Buffer.byteLength(clientName) <= NAME_BYTES_MAX &&
    Buffer.byteLength(clientVersion) <= VERSION_BYTES_MAX &&
    features.length <= FEATURES_MAX
  )
}

async function inTurn(
  device: DeviceAddress,
  parts: HandshakeParts,
  attempt: Attempt,
): Promise<Opened | Refusal | undefined> {
  const { openings, events } = parts
  const since = performance.now()
  const turn = await openings.enter()
  if (turn === undefined) {
    return refusal(RefusalCode.UNAVAILABLE, 'many connect just now', openings.awayMs())
  }
  let isOpened = false
  try {
    if (attempt.isGone()) return undefined
    const answerMs = Math.max(1, Math.ceil(attempt.answerMs - (performance.now() - since)))
    const opened = await openFor(device, parts, { ...attempt, answerMs })
    isOpened = opened !== undefined && !('code' in opened)
    return opened
  } catch (error) {
    events.failed('a session could not be opened', error)
    return refusal(RefusalCode.UNAVAILABLE, '', jittered(RETRY_AFTER_MS))
  } finally {
    turn.leave(isOpened)
  }
}

async function openFor(
  device: DeviceAddress,
  { validation, store, epochs }: HandshakeParts,
  { hello, nonce, answerMs, isGone }: Attempt,
): Promise<Opened | Refusal | undefined> {
  // All calls together: the device waits for the last one.
  const answerBy = performance.now() + answerMs
  const { audience, signature, clientName, clientVersion } = hello
  const claimed = { address: device, nonce, audience, signature, clientName, clientVersion }
  const opening = beginOpening(device, { store, epochs, answerBy })
  const authenticated = await unary(validation, 'authenticate', claimed, { deadlineMs: answerMs })
  if (authenticated.outcome?.$case === 'refusal') return authenticated.outcome.value
  const opened = await opening.open(isGone)
  return opened && !('code' in opened) ? { device, clientVersion, answerBy, ...opened } : opened
}

async function registeredBy(
  frame: UpFrame,
  nonce: Uint8Array,
  { directory, events }: HandshakeParts,
): Promise<Registered | undefined> {
  try {
    if (frame.$case === 'register') return await directory.register(withNonce(frame.value, nonce))
    if (frame.$case === 'claim') return await directory.claim(withNonce(frame.value, nonce))
    return undefined
  } catch (error) {
    events.failed('a device could not be registered', error)
    return refusal(RefusalCode.UNAVAILABLE, '', jittered(RETRY_AFTER_MS))
  }
}

function withNonce<F extends Register | Claim>(frame: F, nonce: Uint8Array) {
  return { ...frame, nonce }
}
