// What packages/presence keeps in Redis: who holds which device. The two scripts, in TypeScript.

import type { Redis } from 'ioredis'
import type { Holder } from '@twotick/presence'

interface Written extends Holder {
  readonly epoch: string
}

export interface SimulatedPresence {
  readonly redis: Redis
  lookUp(accountIds: Iterable<string>): Map<string, Holder[]>
  /** FLUSHALL. */
  flush(): void
}

type Argument = string | number

export function createPresence(): SimulatedPresence {
  const hashes = new Map<string, Map<number, Written>>()

  function set(key: string, [deviceId, gatewayId, session, epoch]: Argument[]): [number, string] {
    const hash = hashes.get(key) ?? new Map<number, Written>()
    hashes.set(key, hash)
    const written = {
      ...{ deviceId: Number(deviceId), gatewayId: String(gatewayId) },
      ...{ session: Number(session), epoch: String(epoch) },
    }
    const former = hash.get(written.deviceId)
    hash.set(written.deviceId, written)
    if (!former) return [1, '']
    if (former.gatewayId === gatewayId && former.session === written.session) return [1, '']
    if (former.epoch !== epoch || former.session < written.session) return [1, textOf(former)]
    hash.set(written.deviceId, former)
    return [0, textOf(former)]
  }

  function clear(key: string, [deviceId, gatewayId, session]: Argument[]): number {
    const held = hashes.get(key)?.get(Number(deviceId))
    if (held?.gatewayId !== gatewayId || held?.session !== session) return 0
    hashes.get(key)?.delete(Number(deviceId))
    return 1
  }

  function pipeline() {
    const replies: [null, unknown][] = []
    return {
      eval: (_script: string, _keys: number, key: string, ...rest: Argument[]) =>
        replies.push([null, set(key, rest)]),
      exec: () => Promise.resolve(replies),
    }
  }

  const redis = {
    pipeline,
    eval: (_script: string, _keys: number, key: string, ...rest: Argument[]) =>
      Promise.resolve(clear(key, rest)),
  }
  return {
    redis: redis as unknown as Redis,
    lookUp(accountIds) {
      const held = (id: string): Holder[] => [...(hashes.get(`presence:${id}`)?.values() ?? [])]
      return new Map([...accountIds].map((id) => [id, held(id)]))
    },
    flush: () => hashes.clear(),
  }
}

function textOf({ gatewayId, session, epoch }: Written): string {
  return `${gatewayId} ${session} ${epoch} 0`
}
