// The live sessions of this gateway, by account and device. One device has one session: the number
// decides, wherever the two meet.

import { RefusalCode } from '@twotick/protocol'
import type { LiveSession } from './connection.ts'

export interface Registry {
  /**
   * Enters a session and ends the older one of the same device, if there is one here. False: there
   * is a newer one, and nothing was changed. (Numbers of different epochs cannot be compared: then
   * the one that comes is the newer one.)
   */
  enter(session: LiveSession): boolean
  /** Takes it out, unless another one has taken its place. */
  leave(session: LiveSession): void
  of(accountId: string): Iterable<LiveSession>
  find(device: { accountId: string; deviceId: number }): LiveSession | undefined
  all(): LiveSession[]
  /**
   * Ends the session of a device that has been unlinked (`deviceId` 0: all of the account), in the
   * next turn: it may be the one that asked, and then it gets its answer first.
   */
  unlinked(device: { accountId: string; deviceId: number }): void
  count(): number
}

export function createRegistry(): Registry {
  const accounts = new Map<string, LiveSession[]>()
  let count = 0

  function find({ accountId, deviceId }: { accountId: string; deviceId: number }) {
    return accounts.get(accountId)?.find(({ device }) => device.deviceId === deviceId)
  }

  function of(accountId: string): Iterable<LiveSession> {
    return accounts.get(accountId) ?? []
  }

  /** In the place of the device's former one, if there is one. */
  function put(session: LiveSession, former: LiveSession | undefined) {
    const { accountId } = session.device
    const others = accounts.get(accountId)?.filter((other) => other !== former) ?? []
    // A new list: who is walking over the old one goes on with what there was.
    accounts.set(accountId, [...others, session])
    if (former === undefined) count++
  }

  function unlinked({ accountId, deviceId }: { accountId: string; deviceId: number }) {
    for (const session of of(accountId)) {
      if (deviceId !== 0 && session.device.deviceId !== deviceId) continue
      session.end({ code: RefusalCode.UNLINKED, detail: '', retryAfterMs: 0 })
    }
  }

  return {
    enter(session) {
      const former = find(session.device)
      const isNewer = former?.epoch === session.epoch && former.number >= session.number
      if (isNewer) return false
      put(session, former)
      former?.end({ code: RefusalCode.REPLACED, detail: '', retryAfterMs: 0 })
      return true
    },
    leave(session) {
      const { accountId } = session.device
      const sessions = accounts.get(accountId)
      if (sessions?.includes(session) !== true) return
      count--
      if (sessions.length === 1) accounts.delete(accountId)
      else
        accounts.set(
          accountId,
          sessions.filter((other) => other !== session),
        )
    },
    of,
    find,
    unlinked: (device) => void setImmediate(unlinked, device),
    all: () => [...accounts.values()].flat(),
    count: () => count,
  }
}
