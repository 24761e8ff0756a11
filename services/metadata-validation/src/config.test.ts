// Goal: what an operator writes is read as it is meant, and a slip is an error.

import { readConfig } from '@twotick/chassis'
import { expect, test } from 'vitest'
import { configSchema } from './config.ts'

const REQUIRED = {
  TWOTICK_POSTGRES_URL: 'postgres://twotick_directory@/twotick?host=/run/postgresql',
  TWOTICK_NATS_URL: 'nats://127.0.0.1:4222',
  TWOTICK_SERVICE_SECRET_FILE: '/run/secrets/twotick',
}

test('goal: rates and versions', () => {
  const config = readConfig(configSchema, {
    ...REQUIRED,
    TWOTICK_RATE_PAIR_MESSAGES: '10+0.5/s, 100+0.01/s',
    TWOTICK_RATE_PAIR_BYTES: 'none',
    TWOTICK_CLIENT_VERSION_MINIMUM: '1.2',
    TWOTICK_CLIENT_VERSION_BLOCKED: '1.3.1, 1.4',
  })
  expect(config.rate.pairMessages).toEqual([
    { burst: 10, perSecond: 0.5 },
    { burst: 100, perSecond: 0.01 },
  ])
  expect(config.rate.pairBytes).toEqual([])
  expect(config.clientVersion.minimum).toEqual([1, 2])
  expect(config.clientVersion.blocked).toEqual([
    [1, 3, 1],
    [1, 4],
  ])
  expect(config.registration).toBe('token')
})

test.each([
  { TWOTICK_RATE_PAIR_MESSAGES: '60' },
  { TWOTICK_RATE_PAIR_MESSAGES: '0+1/s' },
  { TWOTICK_RATE_PAIR_MESSAGES: '60+0/s' },
  { TWOTICK_CLIENT_VERSION_MINIMUM: 'one' },
  { TWOTICK_CLIENT_VERSION_BLOCKED: '1.2 1.3' },
  { TWOTICK_REGISTRATION: 'closed' },
])('goal: %o is an error that names the variable', (slip) => {
  const [variable = ''] = Object.keys(slip)
  expect(() => readConfig(configSchema, { ...REQUIRED, ...slip })).toThrow(variable)
})
