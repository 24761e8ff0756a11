// Who is connected where: written by the gateways, read by delivery-fanout, kept in Redis. A hint:
// losing all of it loses nothing and delays a message by at most 10 s.

export { type Holder, LEASE_MS, LEASE_REFRESH_MS } from './keys.ts'
export { dropLease, keepLease, type Lease, type LeaseOptions, refreshLease } from './lease.ts'
export { readPresence } from './read.ts'
export {
  clearPresence,
  type Presence,
  type WriteOutcome,
  writePresence,
  writePresences,
} from './write.ts'
