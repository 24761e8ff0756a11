// The terminal of a chat: lines above, a prompt below. While somebody types, lines are written above
// what is typed, and a line that is still in sight is written anew when its ticks change.
//
// It only ever moves the cursor by what it has counted itself: the rows of its own lines, and where
// readline says that its cursor is. readline remembers in which row of its input the cursor was and
// goes up by that when it redraws; `above` leaves the cursor where that comes out right.

import { rowsOf } from './text.ts'

const LINES_KEPT = 200

/** What is needed of a terminal. */
export interface Terminal {
  write(text: string): unknown
  readonly columns: number
  readonly rows: number
}

/** What is needed of readline. */
export interface Prompt {
  /** Rows of the input above the cursor. */
  cursorRows(): number
  redraw(): void
}

export interface Screen {
  /** Writes a line above the prompt. */
  print(text: string): Line
  /** After Enter: writes a line in the place of what was typed behind the prompt. */
  printTyped(typed: string, text: string): Line
  /** Writes a line anew, if it is still in sight. The text must take as many rows as before. */
  update(line: Line, text: string): void
}

export interface Line {
  text: string
}

const up = (rows: number) => (rows > 0 ? `\u001b[${rows}A` : '')
const CLEAR_BELOW = '\u001b[0J'
const SAVE_CURSOR = '\u001b7'
const RESTORE_CURSOR = '\u001b8'

export function createScreen(terminal: Terminal, prompt: Prompt): Screen {
  const lines: Line[] = []

  function keep(text: string): Line {
    const line = { text }
    lines.push(line)
    if (lines.length > LINES_KEPT) lines.shift()
    return line
  }

  /** From the first row of `line` down to the cursor. */
  function rowsDownFrom(line: Line): number | undefined {
    const at = lines.indexOf(line)
    if (at < 0) return undefined
    const rows = lines.slice(at).reduce((sum, { text }) => sum + rowsOf(text, terminal.columns), 0)
    return rows + prompt.cursorRows()
  }

  return {
    print(text) {
      const cursorRows = prompt.cursorRows()
      const below = '\n'.repeat(1 + cursorRows)
      terminal.write(`${up(cursorRows)}\r${CLEAR_BELOW}${text}${below}`)
      prompt.redraw()
      return keep(text)
    },

    printTyped(typed, text) {
      // readline leaves an empty row behind where the input ends in the last column.
      const typedRows = rowsOf(`${typed} `, terminal.columns)
      terminal.write(`${up(typedRows)}\r${CLEAR_BELOW}${text}\n`)
      prompt.redraw()
      return keep(text)
    },

    update(line, text) {
      line.text = text
      const rows = rowsDownFrom(line)
      if (rows === undefined || rows >= terminal.rows) return
      terminal.write(`${SAVE_CURSOR}${up(rows)}\r${text}${RESTORE_CURSOR}`)
    },
  }
}
