import { expect, test } from 'vitest'
import { createScreen, type Prompt } from './screen.ts'

const COLUMNS = 10
const ROWS = 6
const ESC = '\u001b'
const TOKEN = new RegExp(`${ESC}\\[\\d+[AJ]|${ESC}[78]|[^]`, 'g')

/** A terminal of 10 × 6 that obeys what screens write, and wraps as terminals do. */
function fakeTerminal() {
  const grid = [Array<string>(COLUMNS).fill(' ')]
  let row = 0
  let column = 0
  let saved = { row, column }
  const line = (at: number) => (grid[at] ??= Array<string>(COLUMNS).fill(' '))
  const put = (character: string) => {
    if (column === COLUMNS) [row, column] = [row + 1, 0]
    line(row)[column++] = character
  }
  const obey = (token: string) => {
    const rows = /\[(\d+)A$/.exec(token)
    if (rows) row -= Number(rows[1])
    else if (token === '\u001b[0J') grid.splice(row, Infinity, line(row).fill(' ', column))
    else if (token === '\u001b7') saved = { row, column }
    else if (token === '\u001b8') ({ row, column } = saved)
    else if (token === '\r') column = 0
    else if (token === '\n') [row, column] = [row + 1, 0]
    else put(token)
    line(row)
    expect(row).toBeGreaterThanOrEqual(0)
  }
  return {
    columns: COLUMNS,
    rows: ROWS,
    write: (text: string) => (text.match(TOKEN) ?? []).forEach(obey),
    shown: () => grid.map((cells) => cells.join('').trimEnd()),
  }
}

type FakeTerminal = ReturnType<typeof fakeTerminal>

/** readline's part: it remembers the row of its cursor and redraws from there. */
function fakePrompt(terminal: FakeTerminal) {
  let typed = ''
  let cursorRows = 0
  const prompt: Prompt & { type(text: string): void; enter(): string } = {
    cursorRows: () => cursorRows,
    redraw() {
      const up = cursorRows > 0 ? `\u001b[${cursorRows}A` : ''
      terminal.write(`${up}\r\u001b[0J> ${typed}`)
      cursorRows = Math.floor((2 + typed.length) / COLUMNS)
    },
    type(text) {
      typed += text
      prompt.redraw()
    },
    enter() {
      const text = typed
      terminal.write('\n')
      typed = ''
      cursorRows = 0
      return `> ${text}`
    },
  }
  prompt.redraw()
  return prompt
}

function start() {
  const terminal = fakeTerminal()
  const prompt = fakePrompt(terminal)
  return { terminal, prompt, screen: createScreen(terminal, prompt) }
}

test('a line that comes while somebody types stands above, and what was typed is intact', () => {
  // Goal: the prompt survives, also where the input takes two rows.
  const { terminal, prompt, screen } = start()
  prompt.type('a long input')
  screen.print('bob: hi')
  screen.print('bob: a line too long')
  expect(terminal.shown()).toEqual(['bob: hi', 'bob: a lin', 'e too long', '> a long i', 'nput'])
})

test('what was typed is replaced by its line', () => {
  // Goal: the input does not stay on the screen twice.
  const { terminal, prompt, screen } = start()
  prompt.type('a long input')
  screen.printTyped(prompt.enter(), '· a long input')
  expect(terminal.shown()).toEqual(['· a long i', 'nput', '>'])
})

test('ticks change in place, under whatever came since', () => {
  // Goal: the right line is found over lines of several rows and a half-typed input.
  const { terminal, prompt, screen } = start()
  prompt.type('hello')
  const line = screen.printTyped(prompt.enter(), '·  hello')
  screen.print('bob: long, long')
  prompt.type('12345678901')
  screen.update(line, '✓✓ hello')
  prompt.type('!')
  expect(terminal.shown()).toEqual(['✓✓ hello', 'bob: long,', ' long', '> 12345678', '901!'])
})

test('a line that has scrolled out of sight is left alone', () => {
  // Goal: no other line is overwritten in its place.
  const { terminal, screen } = start()
  const line = screen.print('·  hello')
  for (let at = 0; at < ROWS; at++) screen.print(`line ${at}`)
  screen.update(line, '✓✓ hello')
  expect(terminal.shown()[0]).toBe('·  hello')
})
