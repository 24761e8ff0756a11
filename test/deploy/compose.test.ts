// Goal: the bounds of docker-compose.yml let its servers do what they are set to do.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseNetworks } from '../../services/gateway/src/client-address.ts'

const ROOT = join(import.meta.dirname, '../..')
const MIB = 2 ** 20
const CONNECTION_BYTES = 12_000 // docs/performance.md
const GATEWAY_BYTES = 200 * MIB // docs/operations.md, Capacity

interface Service {
  readonly command?: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly mem_limit: string
  readonly pids_limit: number
}

function servicesOf(path: string): Record<string, Service> {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const options = { merge: true, logLevel: 'error' } as const // knows no tag `!reset`
  return (parse(text, options) as { services: Record<string, Service> }).services
}

const services = servicesOf('docker-compose.yml')

it.each(['docker-compose.yml', 'deploy/compose.mtls.yml'])(
  'Postgres may have a process for each of its connections, by %s',
  (path) => {
    const command = servicesOf(path)['postgres']!.command!.join(' ')
    const connections = Number(/max_connections=(\d+)/.exec(command)?.[1])
    expect(connections).toBeGreaterThan(0)
    expect(services['postgres']!.pids_limit).toBeGreaterThanOrEqual(connections + 50)
  },
)

it('a gateway has the memory for all connections that it takes', () => {
  const { environment, mem_limit: limit } = services['gateway']!
  const connections = Number(environment['TWOTICK_CONNECTIONS_MAX'])
  expect(connections).toBeGreaterThan(0)
  expect(limit).toMatch(/^\d+m$/)
  expect(GATEWAY_BYTES + connections * CONNECTION_BYTES).toBeLessThan(parseInt(limit) * MIB)
})

it.each(['', '203.0.113.7', '203.0.113.7,2001:db8::/32'])(
  'proxies are what is private, and what .env names: %j',
  (named) => {
    const given = services['gateway']!.environment['TWOTICK_TRUSTED_PROXIES']!
    const networks = parseNetworks(given.replace('${TRUSTED_PROXIES:-}', named))
    expect(given).toContain('${TRUSTED_PROXIES:-}')
    expect(networks?.check('172.18.0.1', 'ipv4')).toBe(true)
    expect(networks?.check('203.0.113.7', 'ipv4')).toBe(named !== '')
  },
)
