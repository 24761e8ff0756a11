// Becoming a device: register a new account, or be linked to one by its primary. The key is durable
// before anybody hears of it, so a lost answer is got by asking again.

import { signedClaim, signedRegister, type Address } from '@twotick/protocol'
import { RefusalCode, type Challenge } from '@twotick/protocol'
import { OfflineError, RefusedError } from './errors.ts'
import { createIdentity, createSigner, type Sign } from './keys.ts'
import { showLinkCode } from './link-code.ts'
import { openLink, type DownFrame, type UpFrame } from './link.ts'
import { SELF, type Identity, type Storage } from './storage.ts'

const CLAIM_EVERY_MS = 2_000

export interface RegisterOptions {
  readonly url: string
  readonly handle: string
  /** The operator's, where registration is not open. */
  readonly token?: string
  readonly storage: Storage
}

/** Makes an account, with this device as its primary. Repeating it answers the same address. */
export async function registerDevice(options: RegisterOptions): Promise<Address> {
  const { url, handle, token = '', storage } = options
  const identity = await readOrCreate(storage)
  if (identity.address) return identity.address
  const sign = await createSigner(identity)
  const address = await askOnce(url, async ({ nonce }) => {
    const audience = audienceOf(url)
    const signature = await sign(signedRegister({ audience, nonce }, handle))
    const { publicKey } = identity
    return { $case: 'register', value: { handle, publicKey, token, signature, audience } }
  })
  return keep(storage, { ...identity, url, address })
}

/** Makes this device's key, and returns the code for `linkDevice` on the primary. */
export async function createLinkCode({ storage }: { storage: Storage }): Promise<string> {
  return showLinkCode((await readOrCreate(storage)).publicKey)
}

export interface ClaimOptions {
  readonly url: string
  readonly storage: Storage
  readonly signal?: AbortSignal
  readonly everyMs?: number
}

/** Asks until the primary has linked this device's code. Ends with the signal's reason. */
export async function claimDevice(options: ClaimOptions): Promise<Address> {
  const { url, storage, signal, everyMs = CLAIM_EVERY_MS } = options
  const identity = await readOrCreate(storage)
  if (identity.address) return identity.address
  const sign = await createSigner(identity)
  for (;;) {
    signal?.throwIfAborted()
    const address = await claimOnce(url, identity, sign)
    if (address) return keep(storage, { ...identity, url, address })
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

/** Undefined: not linked yet, or nobody answers. */
async function claimOnce(url: string, { publicKey }: Identity, sign: Sign) {
  try {
    return await askOnce(url, async ({ nonce }) => {
      const audience = audienceOf(url)
      const signature = await sign(signedClaim({ audience, nonce }, publicKey))
      return { $case: 'claim', value: { publicKey, signature, audience } }
    })
  } catch (error) {
    const { NOT_FOUND, UNAVAILABLE, GOING_AWAY } = RefusalCode
    const passing: RefusalCode[] = [NOT_FOUND, UNAVAILABLE, GOING_AWAY]
    if (error instanceof OfflineError) return undefined
    if (error instanceof RefusedError && passing.includes(error.code)) return undefined
    throw error
  }
}

async function readOrCreate(storage: Storage): Promise<Identity> {
  return (await storage.read('identity', SELF)) ?? keepIdentity(storage, await createIdentity())
}

async function keepIdentity(storage: Storage, identity: Identity): Promise<Identity> {
  await storage.commit([{ table: 'identity', key: SELF, value: identity }])
  return identity
}

async function keep(storage: Storage, identity: Identity & { address: Address }) {
  await keepIdentity(storage, identity)
  return identity.address
}

/** The name that the relay checks signatures against: the URL's host, as it is dialled. */
export function audienceOf(url: string): string {
  return new URL(url).host
}

/** One connection, one question, one answer. */
function askOnce(url: string, ask: (challenge: Challenge) => Promise<UpFrame>): Promise<Address> {
  return new Promise((resolve, reject) => {
    let isAsked = false

    function frame(down: DownFrame): void {
      if (down.$case === 'challenge' && !isAsked) {
        isAsked = true
        ask(down.value).then(link.send, reject)
      } else if (down.$case === 'registered' && down.value.address) {
        resolve(down.value.address)
        link.close()
      } else if (down.$case === 'refused' || down.$case === 'goodbye') {
        reject(new RefusedError(down.value))
        link.close()
      }
    }

    const closed = () => reject(new OfflineError(new URL(url).host))
    const link = openLink(url, { frame, closed })
  })
}
