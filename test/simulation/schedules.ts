// Directed schedules: what random histories come upon too rarely, each in a few words. Only what
// matters is fixed; the order in which things arrive, how lines are cut and how far `some` and `few` go
// are the seed's. Devices are a1, b1, b2 and those linked later (b3); a and b are their accounts.

import type { Profile } from './profile.ts'

export interface Schedule {
  readonly name: string
  /** Commands of history.ts, with whom they are about. */
  readonly steps: string
  readonly profile?: Partial<Profile>
}

const TINY_QUOTA = { quota: { entriesMax: 1, bytesMax: 1e9 } }

export const SCHEDULES: readonly Schedule[] = [
  {
    name: 'a device is linked above a backlog, which expires',
    steps: 'leave b1, leave b2, send a1, arrive, link b, arrive, send a1, arrive, expire, arrive',
  },
  {
    name: 'the only device that a message is for is unlinked, beside a newer one',
    steps: 'unlink b2, arrive, leave b1, send a1, arrive, link b, arrive, unlink b1, arrive',
  },
  {
    name: 'unlinked in the middle of traffic',
    steps: 'send a1, send a1, some, unlink b2, send a1, some, link b, send a1, some, unlink b1',
  },
  {
    name: 'a device is linked while it is written to',
    steps: 'send a1, some, link b, some, send a1, some, send a1, some',
    profile: { isFine: true },
  },
  {
    name: 'adding a device is repeated after it was unlinked',
    steps: 'link b, arrive, unlink b3, some, repeat-link b, arrive, send a1',
  },
  {
    name: 'resent to one device, and another one answers first',
    steps: 'fail b1, fail b2, send a1, some, leave b1, arrive',
  },
  {
    name: 'cut while a failure is acknowledged',
    steps: 'fail b1, send a1, some, cut b1, arrive, send a1, wait, arrive',
  },
  {
    name: 'crashed around a failure',
    steps: 'fail b1, send a1, some, crash b1, arrive, wait, arrive',
    profile: { isFineStorage: true },
  },
  {
    name: 'crashed between the arrival and the ack',
    steps: 'send a1, send a1, some, crash b1, crash b2, some, crash b1, wait',
    profile: { isFineStorage: true },
  },
  {
    name: 'crashed after a rejection',
    steps: 'refuse, send a1, arrive, crash a1, wait, arrive',
  },
  {
    name: 'a rejection with more behind it',
    steps: 'refuse, send a1, send a1, send a1, some, send a1, arrive',
  },
  {
    name: 'an append is stuck until the next session has its answer',
    steps: 'send a1, few, stall, cut a1, refuse, dial a1, arrive, release, arrive',
  },
  {
    name: 'an append is stuck, its repetition meets a full mailbox',
    steps:
      'leave b1, leave b2, send a1, arrive, send a1, few, stall, break a, wait, arrive, ' +
      'come b1, come b2, arrive, release, arrive',
    profile: TINY_QUOTA,
  },
  {
    name: 'the stream to the store breaks with sends under way',
    steps: 'send a1, send a1, some, break a, send a1, some, break a, wait, arrive',
  },
  {
    name: 'acks meet expiry',
    steps: 'send a1, send a1, some, expire, some, arrive',
    profile: { isFineDatabase: true },
  },
  {
    name: 'Postgres is gone between two batches of one device',
    steps:
      'send a1, some, send a1, some, send a1, some, break-database, some, wait, send a1, some, wait',
    profile: { isFineDatabase: true },
  },
  {
    name: 'notices wait for a sender that is away',
    steps: 'leave b1, leave b2, send a1, arrive, leave a1, expire, arrive, expire, arrive',
  },
  {
    name: 'notices wait in a mailbox that is full',
    steps:
      'link a, arrive, leave b1, leave b2, leave a2, send a1, send a1, arrive, expire, arrive, ' +
      'send a1, arrive, cut a1, expire, arrive',
    profile: { quota: { entriesMax: 2, bytesMax: 1e9 } },
  },
  {
    name: 'asked for a status while the message expires',
    // Without its presence no doorbell tells a1 of the notice first.
    steps:
      'leave b1, leave b2, send a1, arrive, drop-bus, few, stall, flush, expire, arrive, release',
    profile: { isFineDatabase: true, hasPresence: true },
  },
  {
    name: 'asked for a status before the notice is pushed',
    steps: 'leave b1, leave b2, send a1, arrive, expire, few, drop-bus, some, arrive',
  },
  {
    name: 'the bus loses a doorbell',
    steps: 'send a1, some, drop-bus, some, lose, send a1, some, lose, some',
  },
  {
    name: 'an ack of an older history arrives late',
    steps:
      'copy, leave b2, send a1, some, stall, leave b1, cut a1, restore, send a1, wait, arrive, ' +
      'release, arrive',
  },
  {
    name: 'the history goes back beneath a message that was delivered',
    steps: 'copy, send a1, some, cut a1, some, restore, wait, arrive',
  },
  {
    name: 'a group, of which one is full',
    steps: 'leave c1, tell a1, some, tell a1, tell b1, arrive, tell b2, come c1, some',
    profile: { isGroup: true, ...TINY_QUOTA },
  },
  {
    name: 'a group loses a member while it is written to',
    steps: 'leave c1, tell a1, some, delete c, some, tell b1, some, tell a1, arrive',
    profile: { isGroup: true },
  },
  {
    name: 'a group goes back to an older history',
    steps: 'copy, tell a1, some, cut a1, some, restore, tell b1, wait, arrive',
    profile: { isGroup: true },
  },
  {
    name: 'an account is deleted with something waiting',
    steps: 'leave b1, leave b2, send a1, some, delete b, some, send a1, arrive',
  },
  {
    name: 'a device takes the place of another one under traffic',
    steps: 'send a1, some, evict b1, send a1, some, send a1, some, evict b2, some',
  },
  {
    name: 'a device goes back to an old copy',
    steps: 'copy, send a1, send b1, some, age b1, some, send b1, age a1, send a1, some, wait',
  },
]
