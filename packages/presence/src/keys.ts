// The one place that says what presence looks like in Redis.
//
//   presence:<account_id>   hash    device_id -> `<gateway_id> <session> <epoch> <written_s>`
//   gateway:<gateway_id>    string  the gateway's lease; it is there as long as the gateway is
//
// Nothing stays for ever: a lease lasts 15 s, a hash two days after the last write to it, and a
// write takes out the fields of the same hash that nobody has written for two days. A gateway
// writes what it holds again every day. A field whose gateway has no lease does not count; a reader
// leaves it alone, because taking it out could meet a gateway that has just written it again.

/** How long a lease lasts, and how often it is refreshed. */
export const LEASE_MS = 15_000
export const LEASE_REFRESH_MS = 5_000

/** How long a field counts as written, and how often a gateway writes all of its own again. */
export const PRESENCE_TTL_S = 2 * 24 * 3600
export const PRESENCE_REWRITE_MS = 24 * 3600 * 1000

/** Who holds a device: the gateway instance and the number of the session there. */
export interface Holder {
  readonly deviceId: number
  readonly gatewayId: string
  readonly session: number
}

export function presenceKey(accountId: string): string {
  return `presence:${accountId}`
}

export function leaseKey(gatewayId: string): string {
  return `gateway:${gatewayId}`
}

/** Reads a field of a presence hash; undefined if it is none of ours. */
export function parseHolder(deviceId: string, value: string): Holder | undefined {
  const [gatewayId = '', session = ''] = value.split(' ')
  if (gatewayId === '' || !/^\d+$/.test(session) || !/^\d+$/.test(deviceId)) return undefined
  return { deviceId: Number(deviceId), gatewayId, session: Number(session) }
}
