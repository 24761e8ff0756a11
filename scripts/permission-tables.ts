// What each service may do at NATS and at Redis: all that is allowed, as the servers' own files are
// made of it (`npm run permissions`). gRPC methods have their table in packages/chassis/src/callers.ts,
// Postgres' tables theirs in the migrations.

import type { ServiceName } from '@twotick/chassis'

export interface BusRights {
  readonly publish: readonly string[]
  /** Behind a space: only as a member of that queue group. */
  readonly subscribe: readonly string[]
}

/** Subjects are event.proto's. A gateway's id is new at each start: so any gateway may hear any. */
export const BUS_RIGHTS: Readonly<Record<ServiceName, BusRights>> = {
  gateway: {
    publish: ['signal.sent', 'gateway.*'],
    subscribe: ['gateway.*', 'gateways'],
  },
  'metadata-validation': {
    publish: ['directory.changed'],
    subscribe: ['directory.changed'],
  },
  'envelope-store': {
    publish: ['mailbox.appended', 'mailbox.delivered'],
    subscribe: [],
  },
  'delivery-fanout': {
    publish: ['gateway.*', 'gateways'],
    subscribe: [
      'mailbox.appended delivery-fanout',
      'mailbox.delivered delivery-fanout',
      'signal.sent delivery-fanout',
    ],
  },
  expiry: { publish: [], subscribe: [] },
}

export interface PresenceRights {
  /** Key patterns, as ACL has them: ~ all, %R~ only to read. */
  readonly keys: readonly string[]
  readonly commands: readonly string[]
}

const PRESENCE = 'presence:*'
const LEASE = 'gateway:*'

/** Keys are packages/presence/src/keys.ts'. Who is not here has no user at Redis. */
export const PRESENCE_RIGHTS: Readonly<Partial<Record<ServiceName, PresenceRights>>> = {
  gateway: {
    keys: [`~${PRESENCE}`, `~${LEASE}`],
    // `info` and `ping` are the client library's; what follows `eval` is what the scripts call.
    commands: 'ping info set del eval hget hgetall hset hdel expire time'.split(' '),
  },
  'delivery-fanout': {
    keys: [`%R~${PRESENCE}`, `%R~${LEASE}`],
    commands: 'ping info eval_ro hgetall exists'.split(' '),
  },
}
