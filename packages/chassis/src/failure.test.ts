import pg from 'pg'
import { expect, test } from 'vitest'
import { backoffMs, Failure, isRetriedByPostgres, postgresFailure, retrying } from './failure.ts'

function withCode(code: string): Error {
  return Object.assign(new pg.DatabaseError('said so', 7, 'error'), { code })
}

test('what Postgres says of itself is a failure, what it says of a statement is a bug', () => {
  const table = {
    '57014': 'DEADLINE_EXCEEDED',
    '55P03': 'DEADLINE_EXCEEDED',
    '57P01': 'UNAVAILABLE',
    '57P03': 'UNAVAILABLE',
    '25006': 'UNAVAILABLE',
    '40P01': 'UNAVAILABLE',
    '53300': 'RESOURCE_EXHAUSTED',
    '08006': 'UNAVAILABLE',
    ECONNREFUSED: 'UNAVAILABLE',
    ENOENT: 'UNAVAILABLE',
    '23505': undefined,
    '42601': undefined,
    '28P01': undefined,
    ERR_INVALID_ARG_TYPE: undefined,
  }
  for (const [code, expected] of Object.entries(table)) {
    expect(postgresFailure(withCode(code))?.code, code).toBe(expected)
  }
  expect(postgresFailure(new Error('Query read timeout'))?.code).toBe('UNAVAILABLE')
  expect(postgresFailure(new Error('Connection terminated unexpectedly'))?.code).toBe('UNAVAILABLE')
  expect(postgresFailure(withCode('XX000'))).toBeUndefined()
  const noConnection = Object.assign(withCode('XX000'), { severity: 'FATAL' })
  expect(postgresFailure(noConnection)?.code).toBe('UNAVAILABLE')
  expect(postgresFailure(new Error('anything else'))).toBeUndefined()
  expect(postgresFailure('not an error')).toBeUndefined()
})

test('a deadlock is tried again, a bounded number of times; nothing else is', async () => {
  let attempts = 0
  const failing = (error: unknown) => () => {
    attempts += 1
    return Promise.reject(error as Error)
  }
  const deadlock = new Failure('UNAVAILABLE', 'deadlock', { cause: withCode('40P01') })
  expect(isRetriedByPostgres(deadlock)).toBe(true)
  await expect(retrying(failing(deadlock), 3)).rejects.toBe(deadlock)
  expect(attempts).toBe(3)
  attempts = 0
  await expect(retrying(failing(withCode('57P01')))).rejects.toThrow()
  expect(attempts).toBe(1)
})

test('the back-off doubles up to its bound, with jitter in its upper half', () => {
  for (let attempt = 1; attempt < 100; attempt++) {
    const full = Math.min(1_000, 10 * 2 ** (attempt - 1))
    const ms = backoffMs(attempt, { firstMs: 10, maxMs: 1_000 })
    expect(ms).toBeGreaterThanOrEqual(full / 2)
    expect(ms).toBeLessThanOrEqual(full)
  }
})
