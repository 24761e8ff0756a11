import pg from 'pg'
import { expect, test } from 'vitest'
import { type Logger, loggedError, logSeldom } from './log.ts'

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

test('what happens to each message is a line now and then, with how many there were', () => {
  // Goal: an outage does not fill the disk, and a second kind of trouble is not hidden by the first.
  const lines: unknown[] = []
  const log = { warn: (fields: object, message: string) => lines.push([message, fields]) }
  const warn = logSeldom(log as unknown as Logger)
  for (let no = 1; no <= 1_000; no++) warn('writes fail', { no })
  warn('reads fail', {})
  expect(lines).toEqual([
    ['writes fail', { no: 1 }],
    ['reads fail', {}],
  ])
})
