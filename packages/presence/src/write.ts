// Writing presence: when a session opens and when it ends, and all of a gateway's sessions again
// when its lease was gone. The scripts are sent whole with each call (EVAL): they are short, calls
// are rare, and a Redis that has just restarted knows no script by its hash.

import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import type { DeviceAddress } from '@twotick/protocol'
import { type Holder, parseHolder, presenceKey, PRESENCE_TTL_S } from './keys.ts'

const SET = readFileSync(new URL('./set.lua', import.meta.url), 'utf8')
const CLEAR = readFileSync(new URL('./clear.lua', import.meta.url), 'utf8')

/** Sessions written in one round trip. */
const WRITE_BATCH_MAX = 500

/** A session as the gateway that holds it writes it down. */
export interface Presence {
  readonly device: DeviceAddress
  readonly gatewayId: string
  readonly session: number
  readonly epoch: string
}

export type WriteOutcome =
  /** It is the holder. `former` is whom it replaces, to be told so; undefined if nobody. */
  | { readonly at: 'written'; readonly former: Holder | undefined }
  /** Nothing was changed: this newer session of the same device holds it. */
  | { readonly at: 'replaced'; readonly by: Holder }

/** Makes the session its device's holder, unless a newer session of the same epoch is. */
export async function writePresence(redis: Redis, presence: Presence): Promise<WriteOutcome> {
  return readOutcome(presence, await redis.eval(...setOf(presence)))
}

/**
 * `writePresence` for many, 500 a round trip; the outcomes are in the order of the presences.
 * Throws at the first that failed: writing is repeatable, so begin again later.
 */
export async function writePresences(
  redis: Redis,
  presences: readonly Presence[],
): Promise<WriteOutcome[]> {
  const outcomes: WriteOutcome[] = []
  for (let first = 0; first < presences.length; first += WRITE_BATCH_MAX) {
    const pipeline = redis.pipeline()
    const some = presences.slice(first, first + WRITE_BATCH_MAX)
    for (const presence of some) pipeline.eval(...setOf(presence))
    const replies = (await pipeline.exec()) ?? []
    for (const [index, presence] of some.entries()) {
      const [error, reply] = replies[index] ?? [new Error('presence: no reply')]
      if (error) throw error
      outcomes.push(readOutcome(presence, reply))
    }
  }
  return outcomes
}

/** Takes the session's presence away if it is still the holder; tells whether it was. */
export async function clearPresence(
  redis: Redis,
  { device, gatewayId, session }: Omit<Presence, 'epoch'>,
): Promise<boolean> {
  const key = presenceKey(device.accountId)
  return (await redis.eval(CLEAR, 1, key, device.deviceId, gatewayId, session)) === 1
}

function setOf({ device, gatewayId, session, epoch }: Presence) {
  const key = presenceKey(device.accountId)
  return [SET, 1, key, device.deviceId, gatewayId, session, epoch, PRESENCE_TTL_S] as const
}

function readOutcome({ device }: Presence, reply: unknown): WriteOutcome {
  const [isWritten, value] = reply as [number, string]
  const holder = parseHolder(String(device.deviceId), value)
  if (isWritten === 1) return { at: 'written', former: holder }
  if (holder === undefined) throw new Error('presence: a holder that cannot be read')
  return { at: 'replaced', by: holder }
}
