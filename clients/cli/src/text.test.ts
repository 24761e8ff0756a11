import { expect, test } from 'vitest'
import { columnsOf, padded, printable, rowsOf } from './text.ts'

test('a message cannot make the terminal do anything', () => {
  // Goal: escape sequences, carriage returns, bells and direction marks never reach the terminal.
  const attack = '\u001b[2J\u001b]0;title\u0007\rbob\u202eevil\u009b31m\u0000'
  const shown = printable(attack)
  expect(shown).not.toMatch(/[\p{Cc}\u202e]/u)
  expect(shown).toContain('bob')
})

test('lines and tabs stay readable', () => {
  // Goal: a message of several lines is one line that still shows where they were.
  expect(printable('one\r\ntwo\nthree\tfour')).toBe('one ⏎ two ⏎ three  four')
  expect(printable('Grüße 👋🏽 世界')).toBe('Grüße 👋🏽 世界')
})

test.each([
  ['hello', 5],
  ['Grüße', 5],
  ['世界', 4],
  ['👋🏽', 2],
  ['👩‍👩‍👧', 2],
  ['🇫🇷', 2],
  ['✓✓', 2],
  ['\u001b[32mhello\u001b[39m', 5],
  ['e\u0301', 1],
])('%s is %i columns wide', (text, columns) => {
  // Goal: what follows on the same line stands where it should.
  expect(columnsOf(text)).toBe(columns)
})

test.each([
  ['', 10, 1],
  ['0123456789', 10, 1],
  ['0123456789a', 10, 2],
  ['世界世界世', 9, 2],
  ['世界世界世世世世', 9, 2],
  ['x'.repeat(100), 10, 10],
])('%s takes, %i columns wide, %i rows', (text, width, rows) => {
  // Goal: the chat finds the line again whose ticks change.
  expect(rowsOf(text, width)).toBe(rows)
})

test('padding goes by columns', () => {
  // Goal: names line up, whatever they are written in.
  expect(padded('世界', 6)).toBe('世界  ')
  expect(padded('longer', 3)).toBe('longer')
})
