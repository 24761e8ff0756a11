// Whose connection it is. Behind a proxy every connection comes from the proxy, and the bound for one
// network address would be a bound for all devices together; so what a proxy says in X-Forwarded-For
// is believed, if the proxy is one that the operator has named. Anybody else could say anything.

import type { IncomingHttpHeaders } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Networks between commas: `10.0.0.0/8,fd00::/8,192.0.2.7`; undefined if one is none. */
export function parseNetworks(text: string): BlockList | undefined {
  const networks = new BlockList()
  for (const one of text.split(',').map((part) => part.trim())) {
    if (one === '') continue
    const [address = '', bits] = one.split('/')
    const family = familyOf(address)
    const most = family === 'ipv4' ? 32 : 128
    if (family === undefined || (bits !== undefined && !isPrefix(bits, most))) return undefined
    networks.addSubnet(address, bits === undefined ? most : Number(bits), family)
  }
  return networks
}

/**
 * The address nearest to us that is no trusted proxy's: the peer's, or what the proxies have written
 * down, read from the end, where each adds whom it serves.
 */
export function clientAddress(
  peer: string,
  forwardedFor: IncomingHttpHeaders[string],
  proxies: BlockList,
): string {
  const said = [forwardedFor ?? []].flat().join(',').split(',')
  const written = said.map((one) => one.trim()).filter((one) => one !== '')
  let address = peer
  while (isIn(address, proxies)) {
    const before = written.pop()
    // A proxy that says nonsense is not believed further: the last good address stands for it.
    if (before === undefined || isIP(before) === 0) return address
    address = before
  }
  return address
}

function isIn(address: string, networks: BlockList): boolean {
  const family = familyOf(address)
  return family !== undefined && networks.check(address, family)
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address)
  return version === 0 ? undefined : version === 4 ? 'ipv4' : 'ipv6'
}

function isPrefix(bits: string, most: number): boolean {
  return /^\d{1,3}$/.test(bits) && Number(bits) <= most
}
