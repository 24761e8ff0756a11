import { expect, test } from 'vitest'
import { clientAddress, parseNetworks } from './client-address.ts'

const proxies = parseNetworks('10.0.0.0/8, fd00::/8, 192.0.2.7')!

// Goal: the address that bounds are counted by is one that nobody but a trusted proxy can choose.
test.each([
  ['the peer itself', '203.0.113.5', undefined, '203.0.113.5'],
  ['a peer that lies is not believed', '203.0.113.5', '198.51.100.1', '203.0.113.5'],
  ['what a proxy says', '10.1.2.3', '203.0.113.5', '203.0.113.5'],
  ['what a device has put in front stays out', '10.1.2.3', '1.1.1.1, 203.0.113.5', '203.0.113.5'],
  ['a chain of proxies', '10.1.2.3', '203.0.113.5, 192.0.2.7, fd00::1', '203.0.113.5'],
  ['a proxy as an IPv4 address in IPv6', '::ffff:10.1.2.3', '203.0.113.5', '203.0.113.5'],
  ['a proxy that says nothing', '10.1.2.3', undefined, '10.1.2.3'],
  ['a proxy that says nonsense', '10.1.2.3', 'unknown', '10.1.2.3'],
  ['several headers', '10.1.2.3', ['1.1.1.1', '203.0.113.5'], '203.0.113.5'],
] as const)('%s', (_what, peer, forwardedFor, address) => {
  const given = typeof forwardedFor === 'object' ? [...forwardedFor] : forwardedFor
  expect(clientAddress(peer, given, proxies)).toBe(address)
})

test('what is no network is said so', () => {
  expect(parseNetworks('')).toBeDefined()
  for (const wrong of ['10.0.0.0/33', 'example.org', '10.0.0.0/8,x', '::/129', '10.0.0.0/']) {
    expect(parseNetworks(wrong), wrong).toBeUndefined()
  }
})
