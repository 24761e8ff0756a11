// Opens the device of a profile for one command, and closes it after.

import { once } from 'node:events'
import { connect } from 'node:net'
import { type Device, openDevice, type StoppedError, type Storage } from '@twotick/sdk'
import about from '../package.json' with { type: 'json' }
import { CommandError, EXIT } from './command-error.ts'
import { type Fate, fateText, type OwnMessages, tellOfFates } from './fates.ts'
import { note } from './print.ts'
import { chooseProfile, isProfile, openProfile } from './profile.ts'
import { TWOTICK } from './typed.ts'

export const DEFAULT_URL = 'ws://127.0.0.1:8700'

const CONNECT_MS = 10_000
const PROBE_MS = 3_000
const SELF = 'self'

/** What every command is told. */
export interface GlobalOptions {
  readonly url?: string
  readonly as?: string
  readonly json: boolean
}

/** An open device, and what a command says about it. */
export interface Opened {
  readonly device: Device
  readonly storage: Storage
  readonly profile: string
  readonly url: string
  readonly own: OwnMessages
}

export interface Opening {
  /** Gets what became of messages of before. By default that is a line of standard error. */
  readonly tellFate?: (fate: Fate) => void
  /** False: what waits for this device keeps waiting. */
  readonly receives?: boolean
}

/**
 * Opens, waits for the session, runs, closes. Throws CommandError where that does not come about.
 */
export async function withDevice<T>(
  options: GlobalOptions,
  use: (opened: Opened) => Promise<T>,
  { tellFate = (fate) => noteFate(options, fate), ...how }: Opening = {},
): Promise<T> {
  return withProfile(options, async ({ storage, profile, url }) => {
    await probe(url)
    const device = await openDevice({
      ...{ storage, url },
      clientName: 'twotick',
      clientVersion: about.version,
      ...how,
    })
    const own = { sent: new Set<number>(), awaited: new Set<number>() }
    const allFatesTold = tellOfFates(device, own, tellFate)
    try {
      await connected(device, url)
      return await use({ device, storage, profile, url, own })
    } finally {
      await allFatesTold()
      await device.close()
    }
  })
}

function noteFate({ json }: GlobalOptions, fate: Fate): void {
  if (json) console.error(JSON.stringify(fate))
  else note(fateText(fate))
}

/** A profile that is registered, locked, not yet connected. */
export async function withProfile<T>(
  options: GlobalOptions,
  use: (profile: Omit<Opened, 'device' | 'own'>) => Promise<T>,
): Promise<T> {
  const profile = chooseProfile(options.as)
  if (!isProfile(profile)) throw notRegistered(profile)
  using opened = openProfile(profile)
  const { storage } = opened
  const identity = await storage.read('identity', SELF)
  if (identity?.address === undefined) throw notRegistered(profile)
  return await use({ storage, profile, url: options.url ?? identity.url ?? DEFAULT_URL })
}

function notRegistered(profile: string): CommandError {
  return new CommandError(EXIT.profile, `${profile} is not registered.`, [
    `To make an account:                     ${TWOTICK} register <handle>`,
    `To make this a further device of yours: ${TWOTICK} --as ${profile} link`,
  ])
}

/** Whether anything listens there at all; a device would go on trying without a word. */
export async function probe(url: string): Promise<void> {
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const socket = connect({ host, port: Number(port) || (protocol === 'wss:' ? 443 : 80) })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PROBE_MS) })
  } catch (cause) {
    throw noRelay(url, cause)
  } finally {
    socket.destroy()
  }
}

export function noRelay(url: string, cause?: unknown): CommandError {
  const advice = ['npm start    runs one on this machine', '--url <url>  names another one']
  const error = new CommandError(EXIT.offline, `No relay answers at ${url}.`, advice)
  error.cause = cause
  return error
}

async function connected(device: Device, url: string): Promise<void> {
  if (device.isConnected()) return
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => reject(noRelay(url)), CONNECT_MS)
  const forget = [
    device.on('connected', () => resolve(undefined)),
    device.on('stopped', (error: StoppedError) => reject(error)),
  ]
  try {
    await promise
  } finally {
    clearTimeout(timer)
    for (const off of forget) off()
  }
}
