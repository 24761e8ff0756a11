import pg from 'pg'
import { expect, test } from 'vitest'
import { loggedError } from './log.ts'

test('an error is logged with its causes, and without what Postgres quotes of a row', () => {
  const cause = Object.assign(new pg.DatabaseError('duplicate key', 9, 'error'), {
    code: '23505',
    detail: 'Key (account_id)=(7b1c) already exists.',
  })
  const line = JSON.stringify(loggedError(new Error('not stored', { cause })))
  expect(line).toContain('not stored')
  expect(line).toContain('23505')
  expect(line).not.toContain('7b1c')
})

test('whatever was thrown is said', () => {
  expect(loggedError('a word')).toEqual({ message: 'a word' })
  const both = new AggregateError([new Error('one'), new Error('two')], 'both')
  expect(JSON.stringify(loggedError(both))).toMatch(/both.*one.*two/)
})
